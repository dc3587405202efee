import fc from "fast-check";
import { describe, it, vi } from "vitest";
import { newJobId, newUlid } from "../../src/api/ids.ts";
import { syntaxErrorOf, tooDeepAt } from "../../src/api/json-text.ts";
import { matchesPattern } from "../../src/engine/like.ts";
import { nearest } from "../../src/api/nearest.ts";
import { show } from "../../src/api/show.ts";
import { stableUuid } from "../../src/api/stable-uuid.ts";
import { durationSeconds, iso } from "../../src/api/time.ts";
import { isUlid, parseMemberId } from "../../src/engine/batch-ids.ts";

function depthOf(value: unknown): number {
  return typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("the depth of JSON text", () => {
  it("is over a limit exactly if the value's depth is", ({ expect }) => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 1, max: 6 }), (value, limit) => {
        expect(tooDeepAt(JSON.stringify(value), limit) !== -1).toBe(depthOf(value) > limit);
      }),
      { numRuns: 500 },
    );
  });

  it("does not count brackets in strings, whatever their escapes", ({ expect }) => {
    expect(tooDeepAt(String.raw`["[[[", "\"[[[", "\\", "\\\"[[["]`, 1)).toBe(-1);
    expect(tooDeepAt('["\\\\", [', 1)).toBe(7);
    expect(tooDeepAt('[["unfinished [[[', 1)).toBe(1);
  });
});

describe("the place of a JSON syntax error", () => {
  it("is at or before the end, and all before it could still become JSON", ({ expect }) => {
    const damaged = fc
      .tuple(fc.jsonValue(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', "\\", "x", "-", "\n", ":"))
      .map(([value, at, insert]) => {
        const text = JSON.stringify(value);
        const position = at % (text.length + 1);
        return text.slice(0, position) + insert + text.slice(position + (insert === "" ? 1 : 0));
      })
      .filter((text) => !isJson(text));
    fc.assert(
      fc.property(damaged, (text) => {
        const { position, message } = syntaxErrorOf(text);
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThanOrEqual(text.length);
        expect(message).toMatch(/^expected .*, got /);
        // The same place is found in the text cut there: what is before it breaks nothing yet.
        expect(syntaxErrorOf(text.slice(0, position)).position).toBe(position);
      }),
      { numRuns: 1000 },
    );
  });

  it.for([
    ["[1,]", 3, 'expected a value, got "]"'],
    ["[1 2]", 3, 'expected "," or "]", got "2"'],
    ["[", 1, 'expected a value or "]", got the end of the text'],
    ['{"a" 1}', 5, 'expected ":", got "1"'],
    ['{"a": tru}', 6, 'expected a value, got "t"'],
    ["{} x", 3, 'expected the end of the text, got "x"'],
    ["01", 1, 'expected the end of the text, got "1"'],
    ['"a\nb"', 2, 'expected a valid character, escape or closing quote of a string, got "\\n"'],
    ['"\\x"', 1, 'expected a valid character, escape or closing quote of a string, got "\\\\"'],
    ["﻿{}", 0, 'expected a value, got "﻿"'],
  ] as const)("%j: at %d, %s", ([text, position, message], { expect }) => {
    expect(isJson(text)).toBe(false);
    expect(syntaxErrorOf(text)).toMatchObject({ position, message });
  });
});

describe("Airflow's search patterns", () => {
  it("match as ILIKE does", ({ expect }) => {
    const alphabet = fc.string({ unit: fc.constantFrom("a", "B", "%", "_", ".", "*"), maxLength: 8 });
    fc.assert(
      fc.property(alphabet, alphabet, (text, pattern) => {
        const source = pattern
          .replaceAll(/[.*]/g, String.raw`\$&`)
          .replaceAll("%", ".*")
          .replaceAll("_", ".");
        expect(matchesPattern(text, pattern)).toBe(new RegExp(`^.*${source}.*$`, "is").test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it("look at no more than each character for each of the pattern's, for patterns made to take long", ({ expect }) => {
    const text = "a".repeat(250);
    const pattern = `${"%a".repeat(500)}b`;
    const look = vi.spyOn(String.prototype, "charAt");
    const matches = matchesPattern(text, pattern);
    const looks = look.mock.calls.length;
    look.mockRestore();
    expect(matches).toBe(false);
    expect(looks).toBeLessThan(2 * text.length * pattern.length);
  });
});

describe("suggestions", () => {
  it("are the nearest names, the nearest first", ({ expect }) => {
    const names = ["hello", "help", "send_mail", "yellow"];
    expect(nearest("helo", names)).toEqual(["hello", "help"]);
    expect(nearest("SEND-MAIL", names)).toEqual(["send_mail"]);
    expect(nearest("mail", names)).toEqual(["send_mail"]);
    expect(nearest("quite another", ["x"])).toEqual([]);
  });
});

describe("ids made here", () => {
  it("new ULIDs are canonical, of their time, distinct, and no member of a batch", ({ expect }) => {
    const ids = Array.from({ length: 2000 }, (_, index) => newJobId(1_700_000_000_000 + index, 0));
    expect(ids.every((id) => isUlid(id) && parseMemberId(id) === null)).toBe(true);
    expect(new Set(ids).size).toBe(2000);
    expect(ids.toSorted()).toEqual(ids);
    expect(newUlid(0).slice(0, 10)).not.toBe("");
  });

  it("UUIDs are of version 8, the same for the same parts, and differ where any part does", ({ expect }) => {
    const part = fc.oneof(fc.string(), fc.integer());
    fc.assert(
      fc.property(fc.array(part), fc.array(part), (left, right) => {
        expect(stableUuid(...left)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(stableUuid(...left) === stableUuid(...right)).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
    );
  });
});

describe("values in answers", () => {
  it("times are ISO 8601 in UTC, without a fraction of nothing", ({ expect }) => {
    expect(iso(Date.UTC(2026, 0, 1))).toBe("2026-01-01T00:00:00Z");
    expect(iso(Date.UTC(2026, 0, 1) + 7)).toBe("2026-01-01T00:00:00.007Z");
    expect(iso(null)).toBeNull();
  });

  it("durations are seconds, null while something goes on", ({ expect }) => {
    expect(durationSeconds(1000, 2500)).toBe(1.5);
    expect(durationSeconds(1000, null)).toBeNull();
    expect(durationSeconds(null, 1000)).toBeNull();
  });

  it("values in messages are one short line", ({ expect }) => {
    expect(show("a\nb")).toBe(String.raw`"a\nb"`);
    expect(show(undefined)).toBe("nothing");
    expect(show("x".repeat(1000))).toMatch(/^"x{79}… \(1002 characters\)$/);
  });
});
