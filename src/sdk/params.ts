/**
 * Params of a DAG: what a run is started with, validated before it starts.
 *
 * @module
 */
import type { DagSpecInput, Json } from "../engine/spec.ts";
import type { ParamRef } from "./refs.ts";

declare const VALUE: unique symbol;

/** Options of {@link param}. */
export interface ParamOptions<T> {
  /** Used where a run gives no value. Without one every run must give one. */
  default?: T;
  description?: string;
  /** JSON Schema, draft 2020-12, that values must fit. */
  schema?: Record<string, Json>;
}

/** A param with its schema; made by {@link param}. */
export class ParamDefinition<out T> {
  declare readonly [VALUE]: T;
  readonly options: ParamOptions<unknown>;

  constructor(options: ParamOptions<unknown>) {
    this.options = options;
  }
}

/**
 * Declares a param with a description, a JSON Schema, or no default. The type is the author's word: the schema must say
 * the same for it to hold.
 *
 * @example
 * params: { year: param<number>({ schema: { type: "integer", minimum: 2000 } }), dryRun: false }
 */
export function param<T>(options: ParamOptions<T> = {}): ParamDefinition<T> {
  return new ParamDefinition<T>(options);
}

/** Params as an author writes them: a plain value is the default, and its type the schema. */
export type ParamShape = Readonly<Record<string, ParamDefinition<unknown> | Json>>;

declare const NONE: unique symbol;

/** No params at all. */
export type NoParams = { readonly [NONE]?: never };

/** References to the params of a DAG. */
export type ParamRefs<P extends ParamShape> = { readonly [K in keyof P]: ParamRef<ParamValue<P[K]>> };

type ParamValue<D> = D extends ParamDefinition<infer T> ? T : Widened<D>;

type Widened<D> = D extends string
  ? string
  : D extends number
    ? number
    : D extends boolean
      ? boolean
      : D extends readonly (infer E)[]
        ? Widened<E>[]
        : D extends object
          ? { [K in keyof D]: Widened<D[K]> }
          : D;

/** The params as a spec holds them. What is no JSON in them is left for the spec's validation to find. */
export function compileParams(shape: ParamShape): NonNullable<DagSpecInput["params"]> {
  return Object.fromEntries(
    Object.entries(shape).map(([name, given]) => [
      name,
      given instanceof ParamDefinition
        ? { ...given.options, default: given.options.default as Json }
        : { default: given, schema: schemaOf(given) },
    ]),
  );
}

function schemaOf(value: Json): Record<string, Json> {
  if (value === null) {
    return {};
  }
  return { type: Array.isArray(value) ? "array" : typeof value };
}
