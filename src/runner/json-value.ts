/**
 * Whether a value that a handler gives is one that JSON can hold: nothing is left out without a word, and nothing nests so deep
 * that what reads it later cannot.
 *
 * @module
 */
import { LIMITS } from "../engine/spec.ts";

/** A value that cannot be kept, however often it is tried. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/**
 * JSON text of a value. As `JSON.stringify` has it, properties that are undefined are left out and `toJSON` is heeded;
 * otherwise only lists, objects of fields, texts, finite numbers, booleans and null are JSON.
 *
 * @param name What the value is called in an error, as in "result.rows[3].price: expected JSON, got NaN".
 * @throws ValueError if a part is none, if it nests more than a hundred levels, or if it is larger than a value may be.
 */
export function jsonText(value: unknown, name: string): string {
  const walk = new Walk();
  try {
    walk.check(value, 0);
    const json: unknown = JSON.stringify(value);
    if (typeof json !== "string") {
      throw new NoJson("JSON", typeof value);
    }
    if (walk.hasOwnText) {
      // What an object says of itself may be another thing each time.
      new Walk().check(JSON.parse(json), 0);
    }
    return json;
  } catch (error) {
    const { expected, got, path } =
      error instanceof NoJson ? error : new NoJson("JSON", `an error: ${messageOf(error)}`);
    throw new ValueError(`${placeOf(name, path)}: expected ${expected}, got ${got}`, { cause: error });
  }
}

/** What is wrong with a part of a value. The path is put together on the way out: no value that is in order pays for it. */
class NoJson extends Error {
  readonly path: (string | number)[] = [];
  readonly expected: string;
  readonly got: string;

  constructor(expected: string, got: string) {
    super(expected);
    this.expected = expected;
    this.got = got;
  }
}

/** Characters of a path, and keys of it, that an error shows. */
const PATH_CHARS = 200;
const PATH_KEYS = 20;

function placeOf(name: string, path: readonly (string | number)[]): string {
  const steps = path
    .slice(0, PATH_KEYS)
    .map((step) =>
      typeof step === "number"
        ? `[${step}]`
        : /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(step)
          ? `.${step}`
          : `[${JSON.stringify(step.slice(0, PATH_CHARS))}]`,
    );
  const place = name + steps.join("");
  return place.length > PATH_CHARS || path.length > PATH_KEYS ? `${place.slice(0, PATH_CHARS)}…` : place;
}

/** One look through a value. */
class Walk {
  /** Some part says itself what its text is. */
  hasOwnText = false;
  /** Parts of it: each takes a byte at least, so that a value with more of them than bytes is not written at all. */
  #parts = 0;

  /** @throws NoJson for the first part that is none. */
  check(value: unknown, depth: number): void {
    this.#parts += 1;
    if (this.#parts > LIMITS.valueBytes) {
      throw new NoJson(`a value of at most ${LIMITS.valueBytes} bytes`, "more");
    }
    switch (typeof value) {
      case "string":
        this.#parts += value.length;
        return;
      case "boolean":
      case "undefined":
        return;
      case "number":
        if (!Number.isFinite(value)) {
          throw new NoJson("JSON", String(value));
        }
        return;
      case "object":
        if (value !== null) {
          this.#object(value, depth);
        }
        return;
      default:
        throw new NoJson("JSON", typeof value);
    }
  }

  #object(value: object, depth: number): void {
    if (depth >= LIMITS.valueDepth) {
      throw new NoJson(`at most ${LIMITS.valueDepth} levels of nesting`, "more");
    }
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index += 1) {
        this.#part(value[index], index, depth);
      }
      return;
    }
    const toJSON: unknown = Reflect.get(value, "toJSON");
    if (typeof toJSON === "function") {
      this.hasOwnText = true;
      this.check(Reflect.apply(toJSON, value, [""]), depth + 1);
      return;
    }
    const kind = kindOf(value);
    if (kind !== "Object") {
      throw new NoJson("JSON", kind === "Promise" ? "Promise (is an await missing?)" : kind);
    }
    for (const key in value) {
      if (Object.hasOwn(value, key)) {
        this.#parts += key.length;
        this.#part(Reflect.get(value, key), key, depth);
      }
    }
  }

  #part(part: unknown, step: string | number, depth: number): void {
    try {
      this.check(part, depth + 1);
    } catch (error) {
      if (error instanceof NoJson) {
        error.path.unshift(step);
      }
      throw error;
    }
  }
}

/** `Object` for one of fields, whatever its class; else what the runtime calls it: Map, Set, Response, Promise, Error … */
function kindOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null
    ? "Object"
    : Object.prototype.toString.call(value).slice("[object ".length, -1);
}

function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).slice(0, PATH_CHARS);
  } catch {
    return typeof error;
  }
}
