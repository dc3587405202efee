/**
 * Reads a regular expression (ECMAScript, flag `u`) into a tree, for `expression.ts` to match by counted steps. What one
 * character may be is left to the runtime's own expressions, which are quick on one character.
 *
 * @module
 */
import { UnusableSchema, type StepBudget } from "./budget.ts";

/** Says whether one character (a code point) is of a kind. */
export type CharacterTest = (character: string) => boolean;

/** A regular expression as a tree. */
export type Expression =
  | { kind: "character"; test: CharacterTest }
  | { kind: "sequence"; items: Expression[] }
  | { kind: "choice"; items: Expression[] }
  | { kind: "repeat"; item: Expression; least: number; most: number; isLazy: boolean }
  | { kind: "group"; item: Expression; number: number }
  | { kind: "edge"; at: "start" | "end"; isMultiline: boolean }
  | { kind: "boundary"; isNegated: boolean; word: CharacterTest }
  | { kind: "look"; item: Expression; isBehind: boolean; isNegated: boolean }
  | { kind: "reference"; groups: number[]; ignoresCase: boolean };

/** A tree with what stands beside it. */
export interface ParsedExpression {
  root: Expression;
  /** Capturing groups, the whole not counted. */
  groups: number;
  hasReferences: boolean;
}

/** Steps to read a character of an expression: it may become an expression of its own. */
const CHARACTER_STEPS = 8;
/** Groups inside each other. */
const MAX_NESTING = 50;
/** Kinds of one expression whose answers are remembered, and answers of each. */
const REMEMBERED = 256;

const TOKEN =
  /\\k<[^>]*>|\\[1-9]\d*|\\u\{[^}]*\}|\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\x[\da-fA-F]{2}|\\c[a-zA-Z]|\\[pP]\{[^}]*\}|\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\(\?(?:[:=!]|<[=!]|<[^>]*>|[ims]*(?:-[ims]*)?:)|\{\d+(?:,\d*)?\}|[\s\S]/gu;

/** Which of the flags `i`, `m` and `s` hold at a place. */
type Flags = ReadonlySet<string>;

/**
 * Reads an expression.
 *
 * @throws UnusableSchema if it is none. TooCostly if it is too long for the budget.
 */
export function parseExpression(source: string, budget: StepBudget): ParsedExpression {
  budget.take(source.length * CHARACTER_STEPS);
  try {
    void new RegExp(source, "u");
  } catch (error) {
    throw new UnusableSchema(error instanceof Error ? (error.message.split("\n", 1)[0] ?? "") : String(error));
  }
  const parser = new Parser([...source.matchAll(TOKEN)].map(([token]) => token));
  const root = parser.choice(new Set(), 0);
  return { root, groups: parser.groups, hasReferences: parser.hasReferences };
}

/** Reads the tokens of an expression that the runtime has found to be one. */
class Parser {
  readonly #tokens: readonly string[];
  readonly #names = new Map<string, number[]>();
  readonly #tests = new Map<string, CharacterTest>();
  #at = 0;
  groups = 0;
  hasReferences = false;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
    let number = 0;
    for (const token of tokens) {
      const name = /^\(\?<([^=!][^>]*)>$/.exec(token)?.[1];
      if (token === "(" || name !== undefined) {
        number += 1;
      }
      if (name !== undefined) {
        this.#names.set(name, [...(this.#names.get(name) ?? []), number]);
      }
    }
  }

  choice(flags: Flags, depth: number): Expression {
    if (depth > MAX_NESTING) {
      throw new UnusableSchema(`more than ${MAX_NESTING} groups of a regular expression are inside each other`);
    }
    const items = [this.#sequence(flags, depth)];
    while (this.#tokens[this.#at] === "|") {
      this.#at += 1;
      items.push(this.#sequence(flags, depth));
    }
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : { kind: "choice", items };
  }

  #sequence(flags: Flags, depth: number): Expression {
    const items: Expression[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || token === "|" || token === ")") {
        return { kind: "sequence", items };
      }
      this.#at += 1;
      items.push(this.#quantified(this.#part(token, flags, depth)));
    }
  }

  #quantified(item: Expression): Expression {
    const token = this.#tokens[this.#at] ?? "";
    const counts = countsOf(token);
    if (counts === null) {
      return item;
    }
    this.#at += 1;
    const isLazy = this.#tokens[this.#at] === "?";
    this.#at += isLazy ? 1 : 0;
    return { kind: "repeat", item, ...counts, isLazy };
  }

  #part(token: string, flags: Flags, depth: number): Expression {
    const isMultiline = flags.has("m");
    switch (token) {
      case "^":
        return { kind: "edge", at: "start", isMultiline };
      case "$":
        return { kind: "edge", at: "end", isMultiline };
      case "\\b":
      case "\\B":
        return { kind: "boundary", isNegated: token === "\\B", word: this.#test("\\w", flags) };
      case "(":
        return this.#group(flags, depth);
      default:
    }
    if (token.startsWith("(?")) {
      return this.#special(token, flags, depth);
    }
    const reference = /^\\(?:k<([^>]*)>|([1-9]\d*))$/.exec(token);
    if (reference !== null) {
      this.hasReferences = true;
      const [, name, number] = reference;
      const groups = name === undefined ? [Number(number)] : (this.#names.get(name) ?? []);
      return { kind: "reference", groups, ignoresCase: flags.has("i") };
    }
    return { kind: "character", test: this.#test(token, flags) };
  }

  #group(flags: Flags, depth: number): Expression {
    this.groups += 1;
    const number = this.groups;
    return { kind: "group", item: this.#inside(flags, depth), number };
  }

  #special(token: string, flags: Flags, depth: number): Expression {
    const look = /^\(\?(<?)([=!])$/.exec(token);
    if (look !== null) {
      const item = this.#inside(flags, depth);
      return { kind: "look", item, isBehind: look[1] === "<", isNegated: look[2] === "!" };
    }
    return token.startsWith("(?<") ? this.#group(flags, depth) : this.#inside(changed(flags, token), depth);
  }

  #inside(flags: Flags, depth: number): Expression {
    const item = this.choice(flags, depth + 1);
    this.#at += 1;
    return item;
  }

  #test(source: string, flags: Flags): CharacterTest {
    const options = `${flags.has("i") ? "i" : ""}${flags.has("s") ? "s" : ""}u`;
    const key = `${options} ${source}`;
    let test = this.#tests.get(key);
    if (test === undefined) {
      test = characterTest(source, options);
      this.#tests.set(key, test);
    }
    return test;
  }
}

/** A test by the runtime's own expression, whose answers it remembers: most texts are of few characters. */
function characterTest(source: string, flags: string): CharacterTest {
  if (!flags.includes("i") && /^[^\\[.]$/u.test(source)) {
    return (character) => character === source;
  }
  const expression = new RegExp(`^(?:${source})$`, flags);
  const answers = new Map<string, boolean>();
  return (character) => {
    let answer = answers.get(character);
    if (answer === undefined) {
      answer = expression.test(character);
      if (answers.size < REMEMBERED) {
        answers.set(character, answer);
      }
    }
    return answer;
  };
}

function countsOf(token: string): { least: number; most: number } | null {
  switch (token) {
    case "*":
      return { least: 0, most: Infinity };
    case "+":
      return { least: 1, most: Infinity };
    case "?":
      return { least: 0, most: 1 };
    default: {
      const [, least, comma, most] = /^\{(\d+)(,?)(\d*)\}$/.exec(token) ?? [];
      return least === undefined
        ? null
        : { least: Number(least), most: comma === "" ? Number(least) : most === "" ? Infinity : Number(most) };
    }
  }
}

/** The flags inside a group that changes them, as `(?i-s:`. */
function changed(flags: Flags, token: string): Flags {
  const [added = "", removed = ""] = token.slice(2, -1).split("-");
  return new Set([...[...flags].filter((flag) => !removed.includes(flag)), ...Array.from(added)]);
}
