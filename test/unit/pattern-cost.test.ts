import { describe, it } from "vitest";
import { slowness } from "../../src/engine/pattern-cost.ts";

describe("a regular expression of a registered DAG", () => {
  for (const pattern of [
    "^[a-z]+$",
    "^[a-z0-9_-]+@[a-z.]+$",
    "^\\d{4}-\\d{2}-\\d{2}$",
    "^(?:daily|weekly|monthly)$",
    "^s3://[^/]+/.*$",
    "abc",
    "^a+?b$",
    "^\\(x\\)*$",
    "^[(a|b)*]+$",
    "^v\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}$",
    "^(?=.*x)y$",
  ]) {
    it(`${pattern} is taken`, ({ expect }) => {
      expect(slowness(pattern)).toBeNull();
    });
  }

  for (const pattern of [
    "^(a+)+$",
    "^(a|a)*$",
    "^(a|a){1,30}$",
    "(?:x*)*",
    "^(\\w+\\s?)*$",
    ".*a.*b.*c",
    "^.*.*.*$",
    `^${"a?".repeat(40)}${"a".repeat(40)}$`,
    `^${"(?:a|a)".repeat(30)}b$`,
    "^(a)\\1*$",
    "^(?<x>a)\\k<x>$",
    `^${"a{0,1000}".repeat(4)}b$`,
  ]) {
    it(`${pattern.slice(0, 40)} is refused`, ({ expect }) => {
      expect(slowness(pattern)).not.toBeNull();
    });
  }

  it("that is taken matches the worst of texts in an instant", ({ expect }) => {
    const expression = /^[a-z]+[a-z]+$/u;
    expect(slowness(expression.source)).toBeNull();
    expect(expression.test(`${"a".repeat(999)}!`)).toBe(false);
  });
});
