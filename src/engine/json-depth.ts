/**
 * How deep JSON text nests, found without parsing it: what is too deep breaks whatever walks it by calling itself, the
 * platform's own serialisation between objects included.
 *
 * @module
 */
import type { Json } from "./spec.ts";

/** Levels that a value may nest to be read at all. Values are stored with a hundred at most; older ones may have more. */
export const READABLE_DEPTH = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Says whether JSON text nests more than `levels` of lists and objects. The text must be valid. */
export function nestsDeeper(text: string, levels: number): boolean {
  // Each level has two brackets.
  if (text.length <= levels * 2) {
    return false;
  }
  let depth = 0;
  for (let position = 0; position < text.length; position += 1) {
    switch (text.charCodeAt(position)) {
      case QUOTE:
        position = endOfText(text, position);
        break;
      case 0x5b:
      case 0x7b:
        depth += 1;
        if (depth > levels) {
          return true;
        }
        break;
      case 0x5d:
      case 0x7d:
        depth -= 1;
        break;
      default:
    }
  }
  return false;
}

/** A stored value; of one that nests too deep to be read, a text that says so. */
export function readableJson(text: string): Json {
  return nestsDeeper(text, READABLE_DEPTH)
    ? `(not shown: it nests more than ${READABLE_DEPTH} levels)`
    : (JSON.parse(text) as Json);
}

/** The position of the quote that ends the text which starts at `start`. */
function endOfText(text: string, start: number): number {
  let position = text.indexOf('"', start + 1);
  while (position !== -1 && isEscaped(text, position)) {
    position = text.indexOf('"', position + 1);
  }
  return position === -1 ? text.length : position;
}

function isEscaped(text: string, position: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(position - 1 - backslashes) === BACKSLASH) {
    backslashes += 1;
  }
  return backslashes % 2 === 1;
}
