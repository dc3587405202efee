/**
 * What the keywords of a schema share while a value is checked: the budget, what was found, and which parts of a value
 * were looked at.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import type { StepBudget } from "./budget.ts";

/** A place in a value, from the inside out: making one costs the same at any depth. */
export type Place = { parent: Place; step: string } | null;

/** What of a value or a schema is wrong, and where in it. */
export interface SchemaMismatch {
  /** Keys and positions, outermost first; empty for the value itself. */
  path: string[];
  /** As in "expected a number of at least 3". */
  expected: string;
}

/** Mismatches that are listed at most; a value that has more has the same few many times. */
const MOST_MISMATCHES = 20;

/** The mismatches of one check. */
export class Mismatches {
  readonly list: SchemaMismatch[] = [];

  get isFull(): boolean {
    return this.list.length >= MOST_MISMATCHES;
  }

  add(place: Place, expected: string): void {
    if (!this.isFull) {
      this.list.push({ path: pathOf(place), expected });
    }
  }
}

/** Which properties or items of a value a schema has looked at, for `unevaluatedProperties` and `unevaluatedItems`. */
export class Seen {
  readonly properties = new Set<string>();
  readonly positions = new Set<number>();
  isAll = false;

  /** Adds what a schema beside this one has seen. */
  merge(other: Seen, budget: StepBudget): void {
    budget.take(other.properties.size + other.positions.size);
    this.isAll ||= other.isAll;
    for (const name of other.properties) {
      this.properties.add(name);
    }
    for (const position of other.positions) {
      this.positions.add(position);
    }
  }
}

/** A keyword's view of the check it is part of. */
export interface Evaluation {
  readonly budget: StepBudget;
  /**
   * Says whether a value fits a schema, by counted steps.
   *
   * @param found Gets the mismatches; null if they are not asked for, so that the first one ends it.
   * @param seen Gets what a schema that fits has seen of the value; null if the value is another one than the caller's.
   */
  fits(schema: Json, value: Json, at: Place, found: Mismatches | null, seen: Seen | null): boolean;
  /** Says whether a text matches a regular expression. */
  matches(pattern: string, text: string): boolean;
  /** Text that is the same for equal values, made by counted steps. */
  identity(value: Json): string;
  /** The values of an `enum`, by their identity. */
  choices(values: readonly Json[]): ReadonlySet<string>;
}

function pathOf(place: Place): string[] {
  const path: string[] = [];
  for (let current = place; current !== null; current = current.parent) {
    path.push(current.step);
  }
  return path.toReversed();
}

/** JSON text of a value, shortened to 200 characters, for messages. Does not look at what is behind them. */
export function shortJson(value: Json): string {
  const text = jsonUpTo(value, 201);
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}

/** At least the first `most` characters of a value's JSON text, or all of it. */
function jsonUpTo(value: Json, most: number): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > most ? value.slice(0, most) : value);
  }
  if (typeof value !== "object" || value === null) {
    return JSON.stringify(value);
  }
  return Array.isArray(value) ? listUpTo(value, most) : objectUpTo(value, most);
}

function listUpTo(value: readonly Json[], most: number): string {
  let text = "[";
  for (const [index, item] of value.entries()) {
    text += (index === 0 ? "" : ",") + jsonUpTo(item, Math.max(0, most - text.length));
    if (text.length >= most) {
      return text;
    }
  }
  return `${text}]`;
}

function objectUpTo(value: Record<string, Json>, most: number): string {
  let text = "{";
  // Keys and not entries: those of a large value would be copied.
  for (const key in value) {
    if (Object.hasOwn(value, key)) {
      text += `${text === "{" ? "" : ","}${jsonUpTo(key, most)}:`;
      text += jsonUpTo(value[key] ?? null, Math.max(0, most - text.length));
      if (text.length >= most) {
        return text;
      }
    }
  }
  return `${text}}`;
}
