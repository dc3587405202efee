/**
 * What can be said of JSON text before and after parsing it: how deep it nests, and where it breaks the grammar.
 *
 * @module
 */

/** Levels of arrays and objects a body may nest. */
export const MAX_DEPTH = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const FIRST_PRINTABLE = 0x20;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The position of the bracket that opens one level too many, or -1. Right also for text that is no valid JSON. */
export function tooDeepAt(text: string, maxDepth: number = MAX_DEPTH): number {
  if (text.length <= maxDepth) {
    return -1;
  }
  let depth = 0;
  for (let position = 0; position < text.length; position += 1) {
    const code = text.charCodeAt(position);
    if (code === QUOTE) {
      position = endOfString(text, position);
    } else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      depth += 1;
      if (depth > maxDepth) {
        return position;
      }
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) {
      depth -= 1;
    }
  }
  return -1;
}

/** The position of the quote that ends the string starting at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) {
    end = text.indexOf('"', end + 1);
  }
  return end === -1 ? text.length : end;
}

function isEscaped(text: string, position: number): boolean {
  let backslashes = 0;
  while (text.charAt(position - 1 - backslashes) === "\\") {
    backslashes += 1;
  }
  return backslashes % 2 === 1;
}

/** Where and how text breaks the JSON grammar; line and column count from 1. */
export interface JsonSyntaxError {
  message: string;
  position: number;
  line: number;
  column: number;
}

/**
 * Finds the first place at which `text` is no JSON. Engines say where only in some of their messages, so this walks the
 * grammar itself; it is meant for text that `JSON.parse` has already refused.
 */
export function syntaxErrorOf(text: string): JsonSyntaxError {
  const { position, expected } = walk(text);
  const before = text.slice(0, position).split("\n");
  const found =
    position >= text.length
      ? "the end of the text"
      : JSON.stringify(String.fromCodePoint(text.codePointAt(position) ?? 0));
  return {
    message: `expected ${expected}, got ${found}`,
    position,
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
  };
}

const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

type Step = "value" | "value or end" | "key" | "key or end" | "after value";

/** Walks the grammar with a stack of open brackets, so that depth costs no call stack. */
function walk(text: string): { position: number; expected: string } {
  const open: ("[" | "{")[] = [];
  let position = match(SPACE, text, 0);
  let step: Step = "value";
  for (;;) {
    const char = text.charAt(position);
    const inside = open.at(-1);
    if (step === "after value") {
      if (inside === undefined) {
        return { position, expected: "the end of the text" };
      }
      const closing = inside === "[" ? "]" : "}";
      if (char === closing) {
        open.pop();
        position += 1;
      } else if (char === ",") {
        step = inside === "[" ? "value" : "key";
        position += 1;
      } else {
        return { position, expected: `"," or "${closing}"` };
      }
    } else if ((step === "value or end" && char === "]") || (step === "key or end" && char === "}")) {
      open.pop();
      position += 1;
      step = "after value";
    } else if (step === "key" || step === "key or end") {
      if (char !== '"') {
        const name = "a property name in double quotes";
        return { position, expected: step === "key" ? name : `${name} or "}"` };
      }
      const { end, isClosed } = readString(text, position);
      if (!isClosed) {
        return { position: end, expected: IN_STRING };
      }
      position = match(SPACE, text, end);
      if (text.charAt(position) !== ":") {
        return { position, expected: '":"' };
      }
      position += 1;
      step = "value";
    } else if (char === "[" || char === "{") {
      open.push(char);
      position += 1;
      step = char === "[" ? "value or end" : "key or end";
    } else if (char === '"') {
      const { end, isClosed } = readString(text, position);
      if (!isClosed) {
        return { position: end, expected: IN_STRING };
      }
      position = end;
      step = "after value";
    } else {
      const end = match(SCALAR, text, position);
      if (end === position) {
        return { position, expected: step === "value" ? "a value" : 'a value or "]"' };
      }
      position = end;
      step = "after value";
    }
    position = match(SPACE, text, position);
  }
}

const IN_STRING = "a valid character, escape or closing quote of a string";

/**
 * The end of the string that starts at `start`: behind its closing quote, or where it breaks the grammar. Not one pattern,
 * which would remember every character of a long string and run out of room for it.
 */
function readString(text: string, start: number): { end: number; isClosed: boolean } {
  let position = start + 1;
  while (position < text.length) {
    const code = text.charCodeAt(position);
    if (code === QUOTE) {
      return { end: position + 1, isClosed: true };
    }
    const end = code === BACKSLASH ? match(ESCAPE, text, position) : position + (code < FIRST_PRINTABLE ? 0 : 1);
    if (end === position) {
      break;
    }
    position = end;
  }
  return { end: position, isClosed: false };
}

/** The end of what the sticky `pattern` matches at `position`, or `position`. */
function match(pattern: RegExp, text: string, position: number): number {
  pattern.lastIndex = position;
  return pattern.test(text) ? pattern.lastIndex : position;
}
