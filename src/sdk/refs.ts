/**
 * Values that are known only when a run is under way, as things to wire with.
 *
 * @module
 */
import type { InputRef, Json } from "../engine/spec.ts";
import type { Scalar } from "./json.ts";

/** Keys of what a reference carries; not exported to authors, so that they cannot clash with a field of theirs. */
export const TEMPLATE = Symbol("jobbers.template");
export const OWNER = Symbol("jobbers.owner");
export const SCOPE = Symbol("jobbers.scope");
declare const VALUE: unique symbol;

/** The keys that can be asked of a value: positions of a list, fields of an object. */
export type KeyOf<T> = unknown extends T ? string | number : T extends readonly unknown[] ? number : keyof T & string;

/** The type behind a key; what may be missing is null then, as it is at run time. */
export type FieldOf<T, K> = unknown extends T
  ? unknown
  : T extends null | undefined
    ? null
    : T extends readonly (infer E)[]
      ? number extends T["length"]
        ? E | null
        : K extends keyof T
          ? T[K]
          : never
      : K extends keyof T
        ? string extends keyof T
          ? T[K] | null
          : undefined extends T[K]
            ? Exclude<T[K], undefined> | null
            : T[K]
        : never;

/** A value of type `T` that a run will have. */
export abstract class Ref<out T> {
  declare readonly [VALUE]: T;
  abstract readonly kind: "xcom" | "xcom_field" | "params" | "map" | "run";
  readonly [TEMPLATE]: InputRef;
  /** The DAG under construction that it belongs to. */
  readonly [OWNER]: object;
  /** The mapped group in which it means one element; null if it means the same everywhere. */
  readonly [SCOPE]: string | null;

  constructor(owner: object, template: InputRef, scope: string | null) {
    this[OWNER] = owner;
    this[TEMPLATE] = template;
    this[SCOPE] = scope;
  }
}

/** A field of what a task returns. */
export class XComFieldRef<out T> extends Ref<T> {
  readonly kind = "xcom_field";

  /** A field of it, or an element by its position; null at run time if it is not there. */
  get<U, K extends KeyOf<U>>(this: XComFieldRef<U>, key: K): XComFieldRef<FieldOf<U, K>> {
    return new XComFieldRef(this[OWNER], atKey(this[TEMPLATE], key), this[SCOPE]);
  }
}

/** What a task returns. */
export class XComRef<out T> extends Ref<T> {
  readonly kind = "xcom";

  /** A field of it, or an element by its position; null at run time if it is not there. */
  get<U, K extends KeyOf<U>>(this: XComRef<U>, key: K): XComFieldRef<FieldOf<U, K>> {
    return new XComFieldRef(this[OWNER], atKey(this[TEMPLATE], key), this[SCOPE]);
  }
}

/** A param of the run, or a part of one. */
export class ParamRef<out T> extends Ref<T> {
  readonly kind = "params";

  /** A field of it, or an element by its position; null at run time if it is not there. */
  get<U, K extends KeyOf<U>>(this: ParamRef<U>, key: K): ParamRef<FieldOf<U, K>> {
    return new ParamRef(this[OWNER], atKey(this[TEMPLATE], key), this[SCOPE]);
  }
}

/** This element of a mapped group, or a part of it. */
export class MapRef<out T> extends Ref<T> {
  readonly kind = "map";

  /** A field of it, or an element by its position; null at run time if it is not there. */
  get<U, K extends KeyOf<U>>(this: MapRef<U>, key: K): MapRef<FieldOf<U, K>> {
    return new MapRef(this[OWNER], atKey(this[TEMPLATE], key), this[SCOPE]);
  }
}

/** A field of the run itself. */
export class RunRef<out T> extends Ref<T> {
  readonly kind = "run";
}

function atKey(template: InputRef, key: string | number): InputRef {
  if (template.$ref === "run") {
    throw new TypeError(`expected a reference that has fields, got the field ${template.field} of the run`);
  }
  return { ...template, path: [...(template.path ?? []), key] };
}

/** What may be given where a task wants `T`: the value, a reference to it, or a structure with references inside. */
export type Input<T> = Ref<T> | Template<T>;

type Template<T> = unknown extends T
  ? unknown
  : Json extends T
    ? JsonInput
    : T extends Scalar | undefined
      ? T
      : { readonly [K in keyof T]: Input<T[K]> };

/** Spelled out, because a conditional type would unfold the recursion of `Json` without end. */
type JsonInput = Ref<Json> | Scalar | readonly JsonInput[] | { readonly [key: string]: JsonInput };
