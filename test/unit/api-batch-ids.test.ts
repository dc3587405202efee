import fc from "fast-check";
import { monotonicFactory, ulid } from "ulid";
import { describe, it } from "vitest";
import { batchKey, isUlid, MAX_BATCH_MEMBERS, memberId, memberIds, parseMemberId } from "../../src/engine/batch-ids.ts";

const ulids = fc
  .tuple(
    fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 16, maxLength: 16 }),
  )
  .map(([time, digits]) => {
    let position = 0;
    return ulid(Math.max(time, 1), () => (digits[position++ % digits.length] ?? 0) / 32);
  });
const indices = fc.integer({ min: 0, max: MAX_BATCH_MEMBERS - 1 });

describe("ids of a batch and its members", () => {
  it("a member id leads back to its batch and position", ({ expect }) => {
    fc.assert(
      fc.property(ulids, indices, (batchId, index) => {
        const id = memberId(batchId, index);
        expect(isUlid(id)).toBe(true);
        expect(parseMemberId(id)).toEqual({ batchKey: batchKey(batchId), index });
      }),
      { numRuns: 2000 },
    );
  });

  it("the key of a batch is a ULID of the same time with its last 32 bits zero", ({ expect }) => {
    fc.assert(
      fc.property(ulids, (batchId) => {
        const key = batchKey(batchId);
        expect(isUlid(key)).toBe(true);
        expect(key.slice(0, 10)).toBe(batchId.slice(0, 10));
        expect(key).toMatch(/[048CGMRW]000000$/);
      }),
    );
  });

  it("all members of the largest batch are distinct and in order", ({ expect }) => {
    const ids = memberIds("01HNZX8JGFACFA36RBXDHEQN6E", 0, MAX_BATCH_MEMBERS);
    expect(new Set(ids).size).toBe(MAX_BATCH_MEMBERS);
    expect(ids.toSorted()).toEqual(ids);
  });

  it("batches made one after another in the same millisecond never share a key", ({ expect }) => {
    const next = monotonicFactory();
    const keys = Array.from({ length: 5000 }, () => batchKey(next(1_700_000_000_000)));
    expect(new Set(keys).size).toBe(5000);
  });

  it("a ULID that no batch made almost never passes for a member", ({ expect }) => {
    const passed = Array.from({ length: 50_000 }, () => ulid(1_700_000_000_000, Math.random)).filter(
      (id) => parseMemberId(id) !== null,
    );
    // 50,000 trials at 2^-18 each: five or more happen once in about half a million runs of this test.
    expect(passed.length).toBeLessThan(5);
  });

  it("a member id with any one character changed names no member of the same batch", ({ expect }) => {
    const id = memberId("01HNZX8JGFACFA36RBXDHEQN6E", 1234);
    const changed = Array.from(
      id,
      (char, position) => id.slice(0, position) + (char === "0" ? "1" : "0") + id.slice(position + 1),
    );
    const same = changed.filter((other) => parseMemberId(other)?.batchKey === batchKey("01HNZX8JGFACFA36RBXDHEQN6E"));
    expect(same).toEqual([]);
  });

  it("text that is no canonical ULID is no member id", ({ expect }) => {
    const id = memberId("01HNZX8JGFACFA36RBXDHEQN6E", 7);
    for (const text of [
      "",
      id.toLowerCase(),
      id.slice(1),
      `${id}0`,
      `8${id.slice(1)}`,
      `${id.slice(0, 25)}U`,
      `${id.slice(0, 25)}\n`,
    ]) {
      expect(parseMemberId(text)).toBeNull();
    }
  });

  it("positions outside a batch are refused with the range", ({ expect }) => {
    for (const index of [-1, 0.5, MAX_BATCH_MEMBERS]) {
      expect(() => memberId("01HNZX8JGFACFA36RBXDHEQN6E", index)).toThrow("0..16383");
    }
  });
});
