import fc from "fast-check";
import { describe, it } from "vitest";
import type { Page, Result } from "../../src/engine/objects.ts";
import { compareBy, eachAtMost, gather, MAX_DEPTH, type Part } from "../../src/api/gather.ts";
import { Unavailable } from "../../src/api/unavailable.ts";
import { ok } from "./api-support.ts";

interface Entry {
  part: number;
  position: number;
  a: number | null;
  b: string;
}

const valueOf = (entry: Entry, field: string) => (field === "a" ? entry.a : field === "b" ? entry.b : null);

/** A part that answers from a list and notes what it was asked. */
function partOf<T>(entries: readonly T[], asked: [number, number][] = []): Part<T> {
  return {
    dagId: "d",
    read: async (limit, offset): Promise<Result<Page<T>>> => {
      asked.push([limit, offset]);
      return ok({ items: entries.slice(offset, offset + limit), total: entries.length });
    },
  };
}

const entries = fc.array(
  fc.array(fc.record({ a: fc.option(fc.integer({ min: 0, max: 5 })), b: fc.constantFrom("x", "y", "z") }), {
    maxLength: 250,
  }),
  { minLength: 2, maxLength: 5 },
);
const keys = fc.array(fc.constantFrom("a", "-a", "b", "-b"), { maxLength: 3 });

describe("gathering a page from many parts", () => {
  it("answers what sorting the whole list and cutting it would", async ({ expect }) => {
    await fc.assert(
      fc.asyncProperty(entries, keys, fc.nat(300), fc.nat(100), async (lists, order, offset, limit) => {
        const compare = compareBy(order, valueOf);
        const parts = lists.map((list, part) =>
          list.map((entry, position): Entry => ({ ...entry, part, position })).toSorted(compare),
        );
        const page = await gather(
          parts.map((part) => partOf(part)),
          compare,
          { limit, offset },
        );
        const whole = parts.flat().toSorted(compare);
        expect(page).toEqual({ items: whole.slice(offset, offset + limit), total: whole.length });
      }),
      { numRuns: 200 },
    );
  });

  it("asks each part once for a page that lies on top, and only the parts it takes from again", async ({ expect }) => {
    const numbers = (from: number) => Array.from({ length: 300 }, (_, index) => from + index);
    const asked: [number, number][][] = [[], []];
    const parts = [partOf(numbers(0), asked[0]), partOf(numbers(1000), asked[1])];
    const compare = (left: number, right: number) => left - right;
    await gather(parts, compare, { limit: 10, offset: 5 });
    expect(asked).toEqual([[[15, 0]], [[15, 0]]]);
    asked.forEach((each) => each.splice(0));
    await gather(parts, compare, { limit: 10, offset: 240 });
    expect(asked).toEqual([
      [
        [100, 0],
        [100, 100],
        [100, 200],
      ],
      [[100, 0]],
    ]);
  });

  it("hands a page of one part through, however deep it lies", async ({ expect }) => {
    const asked: [number, number][] = [];
    await gather([partOf([1, 2, 3], asked)], () => 0, { limit: 50, offset: 5_000_000 });
    expect(asked).toEqual([[50, 5_000_000]]);
  });

  it("asks for the totals alone if the page is empty", async ({ expect }) => {
    const asked: [number, number][] = [];
    const page = await gather([partOf([1], asked), partOf([2, 3], asked)], () => 0, { limit: 0, offset: 7 });
    expect(page).toEqual({ items: [], total: 3 });
    expect(asked).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it("answers an empty page of no parts", async ({ expect }) => {
    expect(await gather([], () => 0, { limit: 10, offset: 0 })).toEqual({ items: [], total: 0 });
  });

  it("refuses a page that lies too deep in many parts", async ({ expect }) => {
    const parts = [partOf([1]), partOf([2])];
    await expect(gather(parts, () => 0, { limit: 1, offset: MAX_DEPTH })).rejects.toThrow(
      `expected offset and limit of at most ${MAX_DEPTH} together`,
    );
  });

  it("takes a part that is gone for an empty one, and passes any other refusal on", async ({ expect }) => {
    const refusing = (code: "not_found" | "invalid"): Part<number> => ({
      dagId: "d",
      read: async () => ({ ok: false, refusal: { code, message: "expected something else" } }),
    });
    expect(await gather([partOf([1]), refusing("not_found")], () => 0, { limit: 5, offset: 0 })).toEqual({
      items: [1],
      total: 1,
    });
    await expect(gather([partOf([1]), refusing("invalid")], () => 0, { limit: 5, offset: 0 })).rejects.toThrow(
      "expected something else",
    );
  });
});

describe("comparing by sort keys", () => {
  it.for([
    [["a"], [1, 2, null]],
    [["-a"], [null, 2, 1]],
  ] as const)("%j puts null where the objects do", ([order, sorted], { expect }) => {
    const compare = compareBy(order, (value: number | null) => value);
    expect([2, null, 1].toSorted(compare)).toEqual(sorted);
  });
});

describe("asking many", () => {
  it("has at most sixteen calls under way, and answers in order", async ({ expect }) => {
    let underWay = 0;
    let most = 0;
    const answers = await eachAtMost(
      Array.from({ length: 40 }, (_, index) => index),
      async (item) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await Promise.resolve();
        underWay -= 1;
        return item * 2;
      },
    );
    expect(most).toBe(16);
    expect(answers).toEqual(Array.from({ length: 40 }, (_, index) => index * 2));
  });
});

describe("gathering a page where a part cannot answer", () => {
  const compare = (left: number, right: number): number => left - right;
  const page = { limit: 300, offset: 0 };

  function failing(dagId: string, after: readonly number[] = [], fault = new Error("no such column")): Part<number> {
    return {
      dagId,
      read: async (limit, offset) => {
        if (offset >= after.length) {
          throw fault;
        }
        return ok({ items: after.slice(offset, offset + limit), total: 1000 });
      },
    };
  }

  it("goes on without it and names it", async ({ expect }) => {
    const unavailable = new Unavailable();
    const parts = [failing("b"), partOf([1, 3]), failing("a"), partOf([2])];
    expect(await gather(parts, compare, page, unavailable)).toEqual({ items: [1, 2, 3], total: 3 });
    const error = "internal error; see the log";
    expect(unavailable.field()).toEqual({
      unavailable: [
        { dag_id: "a", error },
        { dag_id: "b", error },
      ],
    });
    expect(unavailable.isEmpty).toBe(false);
  });

  it("keeps what it read before it failed", async ({ expect }) => {
    const unavailable = new Unavailable();
    const read = Array.from({ length: 100 }, (_, index) => index);
    const { items } = await gather([failing("a", read), partOf([1000])], compare, page, unavailable);
    expect(items).toEqual([...read, 1000]);
    expect(unavailable.field().unavailable).toMatchObject([{ dag_id: "a" }]);
  });

  it("says nothing where all answer", async ({ expect }) => {
    const unavailable = new Unavailable();
    await gather([partOf([1]), partOf([2])], compare, page, unavailable);
    expect(unavailable.field()).toEqual({});
  });

  it("fails where one DAG is meant, where the request is wrong, and where all may answer if they are asked again", async ({
    expect,
  }) => {
    await expect(gather([failing("a")], compare, page)).rejects.toThrow("no such column");
    const refusing: Part<number> = {
      dagId: "a",
      read: async () => ({ ok: false, refusal: { code: "invalid", message: "expected something else" } }),
    };
    await expect(gather([refusing, partOf([1])], compare, page, new Unavailable())).rejects.toThrow(
      "expected something else",
    );
    const overloaded = Object.assign(new Error("overloaded"), { overloaded: true });
    const all = new Unavailable();
    await gather([failing("a", [], overloaded), failing("b", [], overloaded)], compare, page, all);
    expect(() => all.field()).toThrow("overloaded");
    const some = new Unavailable();
    await gather([failing("a", [], overloaded), partOf([1])], compare, page, some);
    expect(some.field()).toEqual({ unavailable: [{ dag_id: "a", error: "restarting or overloaded; try again" }] });
  });
});
