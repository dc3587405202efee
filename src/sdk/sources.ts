/**
 * Where the elements of an expansion come from.
 *
 * @module
 */
import type { ExpandSource, ExpandSpec, Json } from "../engine/spec.ts";
import { Ref, TEMPLATE } from "./refs.ts";
import type { ParamRef, XComRef } from "./refs.ts";
import { compileLiteral, describeRef, isUsable } from "./template.ts";
import type { TemplatePlace } from "./template.ts";

declare const ELEMENT: unique symbol;

/** Several lists made into one; see {@link zip} and {@link concat}. */
export class CombinedSource<out T> {
  declare readonly [ELEMENT]: T;
  readonly how: "zip" | "concat";
  readonly parts: readonly unknown[];
  readonly fillvalue: Json | undefined;

  constructor(how: "zip" | "concat", parts: readonly unknown[], fillvalue?: Json) {
    this.how = how;
    this.parts = parts;
    this.fillvalue = fillvalue;
  }
}

/** A list to expand over: a list, the whole return value of a task, a param, or a combination. */
export type Source<T> =
  | readonly T[]
  | XComRef<readonly T[]>
  | ParamRef<readonly T[]>
  | CombinedSource<T>
  | PairSource<T>;

/** An object is expanded over as pairs of key and value. */
type PairSource<T> = T extends readonly [string, infer V]
  ? Readonly<Record<string, V>> | XComRef<Readonly<Record<string, V>>> | ParamRef<Readonly<Record<string, V>>>
  : never;

/** The type of the elements of a source. */
export type ElementOf<S> =
  S extends CombinedSource<infer T>
    ? T
    : S extends XComRef<infer L> | ParamRef<infer L>
      ? ElementOfList<L>
      : ElementOfList<S>;

type ElementOfList<L> = L extends readonly (infer T)[]
  ? T
  : L extends Readonly<Record<string, infer V>>
    ? [string, V]
    : never;

/** Anything that can be expanded over. */
export type AnySource =
  | readonly unknown[]
  | XComRef<readonly unknown[]>
  | XComRef<Readonly<Record<string, unknown>>>
  | ParamRef<readonly unknown[]>
  | ParamRef<Readonly<Record<string, unknown>>>
  | CombinedSource<unknown>;

/** Tuples of the elements at the same position, as many as the shortest list has. */
export function zip<const S extends readonly AnySource[]>(
  ...sources: S
): CombinedSource<{ -readonly [I in keyof S]: ElementOf<S[I]> }> {
  return new CombinedSource("zip", sources);
}

/** As {@link zip}, as many as the longest list has; `fillvalue` stands for what the shorter ones lack. */
export function zipLongest<const S extends readonly AnySource[], F extends Json>(
  fillvalue: F,
  ...sources: S
): CombinedSource<{ -readonly [I in keyof S]: ElementOf<S[I]> | F }> {
  return new CombinedSource("zip", sources, fillvalue);
}

/** The elements of one list after those of the other. */
export function concat<const S extends readonly AnySource[]>(...sources: S): CombinedSource<ElementOf<S[number]>> {
  return new CombinedSource("concat", sources);
}

/** The expansion over keyword lists. */
export function compileExpand(lists: Readonly<Record<string, unknown>>, place: TemplatePlace): ExpandSpec {
  const kwargs = Object.entries(lists).map(([keyword, source]): [string, ExpandSource] => [
    keyword,
    compileSource(source, `expand.${keyword}`, place),
  ]);
  return { type: "expand", kwargs: Object.fromEntries(kwargs) };
}

/** The expansion over a list of objects. */
export function compileExpandKwargs(source: unknown, place: TemplatePlace): ExpandSpec {
  return { type: "expand_kwargs", source: compileSource(source, "expand", place) };
}

function compileSource(source: unknown, where: string, place: TemplatePlace): ExpandSource {
  if (source instanceof CombinedSource) {
    const parts = source.parts.map((part: unknown, index) =>
      compileSource(part, `${where}.${source.how}[${index}]`, place),
    );
    if (source.how === "concat") {
      return { concat: parts };
    }
    return source.fillvalue === undefined ? { zip: parts } : { zip: parts, fillvalue: source.fillvalue };
  }
  if (source instanceof Ref) {
    return compileSourceRef(source, where, place);
  }
  const literal = compileLiteral(source, where, place);
  if (typeof literal === "object" && literal !== null) {
    return { literal };
  }
  place.report(where, `expected a list, an object, or a reference to one, got ${JSON.stringify(literal)}`);
  return { literal: [] };
}

function compileSourceRef(ref: Ref<unknown>, where: string, place: TemplatePlace): ExpandSource {
  if (!isUsable(ref, where, place)) {
    return { literal: [] };
  }
  const template = ref[TEMPLATE];
  if (template.$ref === "xcom" && template.path === undefined) {
    return { $ref: "xcom", task_id: template.task_id };
  }
  if (template.$ref === "params") {
    return { $ref: "params", path: template.path };
  }
  const message = `expected the whole result of a task or a param to expand over, got a part of it or another reference (${describeRef(ref)}): return the list itself from a task`;
  place.report(where, message);
  return { literal: [] };
}
