import fc from "fast-check";
import { describe, it } from "vitest";
import { StepBudget, TooCostly, UnusableSchema } from "../../src/engine/json-schema/budget.ts";
import { CountedExpression } from "../../src/engine/json-schema/expression.ts";

function matches(pattern: string, text: string): boolean {
  return new CountedExpression(pattern, new StepBudget(5_000_000)).test(text);
}

describe("a regular expression that is matched by counted steps", () => {
  const CASES: [pattern: string, texts: string[]][] = [
    ["^[a-z0-9]+(?:-[a-z0-9]+)*$", ["a-b-c", "a--b", "", "a"]],
    ["^(?:daily|weekly|monthly)$", ["daily", "weeklyx", "monthly"]],
    ["^\\d{4}-\\d{2}-\\d{2}$", ["2026-01-01", "2026-1-1"]],
    ["b", ["abc", "ac"]],
    ["^$", ["", "a"]],
    ["a{2,3}?b", ["ab", "aab", "aaaab"]],
    ["^(?:ab){2,}$", ["ab", "abab", "ababab", "ababa"]],
    ["^(a*)*$", ["", "aaa", "b"]],
    ["^(?:a?)*?b$", ["b", "aab", "aac"]],
    ["^(?:|a)+$", ["", "a", "aa", "b"]],
    ["(?=.*x)(?!.*y)^.z", ["az x", "az xy", "az"]],
    ["(?<=\\$)\\d+(?!\\.)", ["$5", "5", "$5.1"]],
    ["(?<!a)b", ["ab", "cb", "b"]],
    ["(?<=(\\d+)(\\d+))$", ["1053", "x"]],
    ["(?<=\\1(a))b", ["aab", "ab"]],
    ["^(a+)b\\1$", ["aabaa", "aaba", "b"]],
    ["^(?<x>ab|a)\\k<x>$", ["abab", "aba", "aa"]],
    ["^(?:(a)|b)*\\1$", ["ab", "aba", "abaa", "b"]],
    ["\\bfoo\\b", ["a foo b", "afoo", "foo"]],
    ["\\Boo", ["foo", "oo"]],
    ["^\\p{Lu}\\p{L}*$", ["École", "école", "Ab1"]],
    ["^.$", ["😀", "\n", "ab", "\ud83d"]],
    ["^[^\\]a-c]$", ["]", "d", "a", "😀"]],
    ["^\\u{1F600}\\uD83D\\uDE00\\x41\\cJ$", ["😀😀A\n", "😀A\n"]],
    ["^[\\s\\S]{2}$", ["a\n", "😀😀", "a"]],
    ["^\\(x\\)\\*\\/$", ["(x)*/", "x"]],
    ["(?:(?:(?:)))", ["", "a"]],
    ["^(?:a|ab)(?:c|bcd)$", ["abcd", "ac", "abc"]],
    ["^(?:x{2}){2}$", ["xxxx", "xxx"]],
  ];

  for (const [pattern, texts] of CASES) {
    it(`matches what the runtime's own does: ${pattern}`, ({ expect }) => {
      const expected = texts.map((text) => new RegExp(pattern, "u").test(text));
      expect(texts.map((text) => matches(pattern, text))).toEqual(expected);
    });
  }

  it("matches what the runtime's own does, for any expression of many parts", ({ expect }) => {
    fc.assert(
      fc.property(
        anyExpression,
        fc.array(fc.stringMatching(/^[abAB\n1_ -]{0,6}$/), { maxLength: 6 }),
        (pattern, texts) => {
          const own = new RegExp(pattern, "u");
          for (const text of texts) {
            expect(matches(pattern, text), JSON.stringify(text)).toBe(own.test(text));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("knows flags that hold inside a group only", ({ expect }) => {
    expect([matches("^(?i:a)b$", "Ab"), matches("^(?i:a)b$", "AB"), matches("a(?s:.)b", "a\nb")]).toEqual([
      true,
      false,
      true,
    ]);
    expect([matches("(?m:^b$)", "a\nb\nc"), matches("(?i:(a)\\1)", "aA"), matches("(?i:a(?-i:b))", "AB")]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("ends at its budget", ({ expect }) => {
    for (const [pattern, text] of [
      ["^(a|a)*$", `${"a".repeat(50)}!`],
      ["^(\\w+\\s?)*$", `${"word ".repeat(20)}!`],
      ["^(?:.*,){20}x", "a,".repeat(40)],
    ] as const) {
      const budget = new StepBudget(10_000);
      expect(() => new CountedExpression(pattern, budget).test(text)).toThrow(TooCostly);
      expect(budget.used).toBe(10_000);
    }
  });

  it("is refused where it is none, repeats itself too often, or is too deep", ({ expect }) => {
    for (const pattern of ["(", "a**", "((a{9}b){100}c){100}", `${"(".repeat(60)}${")".repeat(60)}`]) {
      expect(() => matches(pattern, "a")).toThrow(UnusableSchema);
    }
    expect(() => matches("(?:){1000000000}", "a")).toThrow(TooCostly);
  });

  it("costs in proportion to the text where it reads it once", ({ expect }) => {
    const budget = new StepBudget(1_000_000);
    expect(new CountedExpression("^[a-z]+$", budget).test("a".repeat(100_000))).toBe(true);
    expect(budget.used).toBeLessThan(250_000);
  });
});

/** Expressions of groups, repetitions, look arounds and back references over a few letters; all of them valid. */
const anyExpression: fc.Arbitrary<string> = fc
  .letrec<{ part: string }>((tie) => {
    const part = tie("part");
    const quantifier = fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "+?", "??", "{1,2}?");
    return {
      part: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "\\w", "\\s", "^", "$", "\\b", "\\B", "\\1", ""),
        fc.tuple(part, part).map(([left, right]) => left + right),
        fc.tuple(part, part).map(([left, right]) => `(?:${left}|${right})`),
        part.map((inner) => `(${inner})`),
        fc.tuple(part, quantifier).map(([inner, times]) => `(?:${inner})${times}`),
        fc.tuple(part, quantifier).map(([inner, times]) => `(${inner})${times}`),
        fc.tuple(fc.constantFrom("a", "b", "[^b]", "."), quantifier).map(([inner, times]) => inner + times),
        fc.tuple(fc.constantFrom("?=", "?!", "?<=", "?<!", "?i:"), part).map(([kind, inner]) => `(${kind}${inner})`),
      ),
    };
  })
  .part.map((pattern) => `(b?)${pattern}`);
