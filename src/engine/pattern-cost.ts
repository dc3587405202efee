/**
 * How much work a regular expression can make of a text. The runtime tries every way to read a text, so a short
 * expression such as `^(a|a)*$` can keep an object busy for good. This counts, from above, the ways there are; it knows
 * nothing of what the expression means, and so refuses some that would be quick.
 *
 * @module
 */

/** Characters of a text that is matched against an expression of a param's schema. */
export const MATCHED_CHARACTERS = 1000;

/** Steps one match may take, counted from above: well under a second. */
const MAX_STEPS = 100_000_000;

/**
 * Says why an expression may take too long, or null if it may not. It must be one that the runtime can compile.
 *
 * @example
 * slowness("^[a-z]+-[0-9]{4}$"); // null
 * slowness("^(a|a)*$"); // "no repetition of a group"
 */
export function slowness(pattern: string): string | null {
  /** Ways to choose: an optional part has two, a group as many as it has alternatives. */
  let choices = 1;
  let endless = 0;
  const alternatives: number[] = [1];
  const tokens = [...pattern.matchAll(TOKEN)].map(([token]) => token);
  for (const [at, token] of tokens.entries()) {
    const before = tokens[at - 1] ?? "";
    if (/^\\(?:[1-9]|k<)/.test(token)) {
      return "no back reference";
    }
    if (token.startsWith("(")) {
      alternatives.push(1);
    } else if (token === ")") {
      choices *= alternatives.pop() ?? 1;
    } else if (token === "|") {
      alternatives.push((alternatives.pop() ?? 1) + 1);
    } else if (before === ")" && isRepetition(token)) {
      return "no repetition of a group";
    } else if (token === "*" || token === "+" || /^\{\d+,\}$/.test(token)) {
      endless += 1;
    } else {
      choices *= widthOf(token, before);
    }
  }
  choices *= alternatives[0] ?? 1;
  const isAnchored = pattern.startsWith("^") && (alternatives[0] ?? 1) === 1;
  const steps = choices * MATCHED_CHARACTERS ** (endless + (isAnchored ? 0 : 1));
  return steps > MAX_STEPS ? "fewer repetitions, optional parts and alternatives" : null;
}

/** An escape, a class, the opening of a group, a quantifier, or one character. */
const TOKEN = /\\k<[^>]*>|\\[\s\S]|\[(?:\\[\s\S]|[^\]\\])*\]|\(\?(?:[:=!]|<[=!]|<[^>]*>)|\{\d+(?:,\d*)?\}|[\s\S]/gu;

function isRepetition(token: string): boolean {
  return token === "*" || token === "+" || token.startsWith("{");
}

/** How many lengths a quantifier lets a part have; of anything else one. */
function widthOf(token: string, before: string): number {
  if (token === "?") {
    // After another quantifier it makes that one lazy.
    return before === "*" || before === "+" || before === "?" || /^\{\d/.test(before) ? 1 : 2;
  }
  const [, least, most] = /^\{(\d+),(\d+)\}$/.exec(token) ?? [];
  return least === undefined || most === undefined ? 1 : Math.max(1, Number(most) - Number(least) + 1);
}
