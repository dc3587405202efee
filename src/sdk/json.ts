/**
 * What becomes of a value on its way through JSON.
 *
 * @module
 */
import type { Json } from "../engine/spec.ts";

/** A value that JSON knows as it is. */
export type Scalar = string | number | boolean | null;

/**
 * The type a value of type `T` has after it went through JSON. Only in this sense is what a task returns what the next one
 * is given: a `Date` arrives as a string, a `Map` as an empty object, a function not at all.
 */
export type Jsonified<T> = unknown extends T
  ? T
  : T extends Json | undefined
    ? T
    : T extends { toJSON(): infer J }
      ? J
      : T extends bigint | symbol | ((...args: never) => unknown)
        ? never
        : { [K in keyof T]: Jsonified<T[K]> };

/** The type of a return value as other tasks see it; a handler that returns nothing leaves null. */
export type Returned<Out> = unknown extends Out ? Out : [Out] extends [void] ? null : Jsonified<NullForUndefined<Out>>;

/** The list that the results of a mapped task make up: what returns null leaves nothing, and is not in it. */
export type Elements<Out> = Exclude<Returned<Out>, null>[];

type NullForUndefined<T> = T extends undefined ? null : T;
