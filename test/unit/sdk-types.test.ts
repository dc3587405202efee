/**
 * Types flow from what a task returns to what the next one is given. These tests are read by the compiler: a line marked
 * `@ts-expect-error` that compiles after all fails `tsc`.
 */
import { describe, expectTypeOf, test } from "vitest";
import { branch, concat, dag, empty, param, shortCircuit, task, zip, zipLongest } from "../../src/sdk/index.ts";
import type {
  Input,
  Jsonified,
  Json,
  MapRef,
  NoParams,
  ParamRef,
  Scope,
  TaskContext,
  TaskDefinition,
  TaskNode,
  XComFieldRef,
  XComRef,
} from "../../src/sdk/index.ts";

interface Row {
  id: number;
  name: string;
  note?: string;
}

const extract = task({ id: "extract" }, (_ctx, { url }: { url: string }): Promise<Row[]> =>
  Promise.resolve([{ id: 1, name: url }]),
);
const clean = task({ id: "clean" }, (_ctx, { row, strict }: { row: Row; strict?: boolean }) => ({
  ...row,
  strict: strict ?? false,
}));
const count = task({ id: "count" }, (_ctx, { rows }: { rows: Row[] }) => rows.length);
const shout = task({ id: "shout" }, (_ctx, { text }: { text: string }) => text.toUpperCase());
const tick = task({ id: "tick" }, () => undefined);
const anything = task({ id: "anything" }, (_ctx, { value }: { value: Json }) => value);

describe("a task", () => {
  test("has the types of its handler", () => {
    expectTypeOf(extract).toEqualTypeOf<TaskDefinition<{ url: string }, Row[]>>();
    expectTypeOf(count).toEqualTypeOf<TaskDefinition<{ rows: Row[] }, number>>();
  });

  test("may ask for the Worker's bindings by their type", () => {
    task({ id: "env" }, (ctx: TaskContext<{ BUCKET: string }>) => {
      expectTypeOf(ctx.env).toEqualTypeOf<{ BUCKET: string }>();
      return ctx.env.BUCKET;
    });
  });

  test("has keys of limits that say what they read of its input", () => {
    const keyed = task(
      {
        id: "keyed",
        concurrency: { limit: 1, key: ({ url }: { url: string }) => url },
        rateLimit: { limit: 1, per: "1s", key: ({ url }: { url: string }) => url },
      },
      (_ctx, input: { url: string }) => {
        expectTypeOf(input).toEqualTypeOf<{ url: string }>();
        return 1;
      },
    );
    expectTypeOf(keyed).toEqualTypeOf<TaskDefinition<{ url: string }, number>>();
    const fromKey = task(
      { id: "from_key", concurrency: { limit: 1, key: ({ url }: { url: string }) => url } },
      () => 1,
    );
    expectTypeOf(fromKey).toEqualTypeOf<TaskDefinition<{ url: string }, number>>();
    const unkeyed = task({ id: "unkeyed", concurrency: { limit: 1 } }, (_ctx, { n }: { n: number }) => n);
    expectTypeOf(unkeyed).toEqualTypeOf<TaskDefinition<{ n: number }, number>>();
  });

  test("may not count by what its input does not have, or by what is no text", () => {
    expectTypeOf(() => {
      // @ts-expect-error a number
      task({ id: "a", concurrency: { limit: 1, key: ({ n }: { n: number }) => n } }, (_ctx, { n }: { n: number }) => n);
      // @ts-expect-error a rate needs a time
      task({ id: "a", rateLimit: { limit: 1 } }, () => null);
    }).toBeFunction();
  });

  test("may not be given options that do not exist", () => {
    expectTypeOf(() => {
      // @ts-expect-error a typo
      task({ id: "a", retry: 3 }, () => null);
      // @ts-expect-error no such rule
      task({ id: "a", triggerRule: "all_good" }, () => null);
      // @ts-expect-error no such unit
      task({ id: "a", retryDelay: "3 weeks" }, () => null);
    }).toBeFunction();
  });

  test("answers with ids if it is a branch, and with a boolean if it is a short circuit", () => {
    expectTypeOf(() => {
      branch({ id: "b" }, () => ["left", "right"]);
      shortCircuit({ id: "s" }, () => true);
      // @ts-expect-error no ids
      branch({ id: "b" }, () => 3);
      // @ts-expect-error no boolean
      shortCircuit({ id: "s" }, () => "yes");
    }).toBeFunction();
  });
});

describe("d.run", () => {
  test("gives back a reference to what the task returns", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      expectTypeOf(d.run(extract, { url: "u" })).toEqualTypeOf<TaskNode<Row[]>>();
      expectTypeOf(d.run(tick)).toEqualTypeOf<TaskNode<null>>();
    }).toBeFunction();
  });

  test("takes values, references, and structures with references inside", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      const rows = d.run(extract, { url: "u" });
      d.run(count, { rows });
      d.run(count, { rows: [{ id: 1, name: "a" }] });
      d.run(count, { rows: [{ id: d.run(count, { rows }), name: "a" }] });
      d.run(anything, { value: rows.get(0).get("name") });
      d.run(anything, { value: { deep: [d.run(count, { rows })] } });
    }).toBeFunction();
  });

  test("refuses a reference of another type", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      const total = d.run(count, { rows: [] });
      expectTypeOf(total).toExtend<XComRef<number>>();
      // @ts-expect-error a number where text is expected
      d.run(shout, { text: total });
      // @ts-expect-error one row where rows are expected
      d.run(count, { rows: d.run(clean, { row: { id: 1, name: "a" } }) });
      // @ts-expect-error rows where the whole input is expected
      d.run(shout, d.run(extract, { url: "u" }));
    }).toBeFunction();
  });

  test("wants the whole input, and nothing else", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      // @ts-expect-error no input
      d.run(shout);
      // @ts-expect-error not this field
      d.run(shout, {});
      // @ts-expect-error a field too many
      d.run(shout, { text: "a", volume: 11 });
      // @ts-expect-error options in the place of the input
      d.run(tick, { id: "again" });
      d.run(tick, undefined, { id: "again" });
      d.run(empty({ id: "join" }), undefined, { triggerRule: "none_failed" });
    }).toBeFunction();
  });

  test("types the fields of a reference, null where they may be missing", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      const row = d.run(clean, { row: { id: 1, name: "a" } });
      expectTypeOf(row.get("name")).toEqualTypeOf<XComFieldRef<string>>();
      expectTypeOf(row.get("note")).toEqualTypeOf<XComFieldRef<string | null>>();
      expectTypeOf(d.run(extract, { url: "u" }).get(0)).toEqualTypeOf<XComFieldRef<Row | null>>();
      d.run(shout, { text: row.get("name") });
      // @ts-expect-error no such field
      row.get("surname");
      // @ts-expect-error may be null
      d.run(shout, { text: row.get("note") });
    }).toBeFunction();
  });

  test("sees a return value as JSON leaves it", () => {
    expectTypeOf<Jsonified<{ at: Date; n?: number }>>().toEqualTypeOf<{ at: string; n?: number }>();
    expectTypeOf((d: Scope<NoParams>) => {
      const now = task({ id: "now" }, () => ({ at: new Date(0) }));
      d.run(shout, { text: d.run(now).get("at") });
    }).toBeFunction();
  });
});

describe("d.expand", () => {
  test("takes lists where the task wants elements, and gives back the list of results", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      const rows = d.run(extract, { url: "u" });
      const cleaned = d.expand(clean, { row: rows });
      expectTypeOf(cleaned).toEqualTypeOf<TaskNode<{ strict: boolean; id: number; name: string; note?: string }[]>>();
      d.run(count, { rows: cleaned });
      const found = task({ id: "found" }, (_ctx, { row }: { row: Row }) => (row.id > 0 ? row.name : null));
      expectTypeOf(d.expand(found, { row: rows })).toEqualTypeOf<TaskNode<string[]>>();
      d.expand(clean, { row: rows }, { partial: { strict: true } });
      d.expand(clean, { row: rows, strict: [true, false] });
      d.expand(shout, { text: ["a", "b"] }, { id: "shout_all", retries: 2 });
    }).toBeFunction();
  });

  test("refuses lists of the wrong elements, and wants what no list gives", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      // @ts-expect-error numbers where text is expected
      d.expand(shout, { text: [1, 2] });
      // @ts-expect-error a reference to one number
      d.expand(shout, { text: d.run(count, { rows: [] }) });
      // @ts-expect-error no such keyword
      d.expand(shout, { txt: ["a"] });
      // @ts-expect-error row is missing
      d.expand(clean, { strict: [true] });
      // @ts-expect-error part of a result is no source
      d.expand(clean, { row: d.run(extract, { url: "u" }).get(0) });
      d.expand(clean, { strict: [true] }, { partial: { row: { id: 1, name: "a" } } });
    }).toBeFunction();
  });

  test("combines lists with zip and concat", () => {
    const pair = task({ id: "pair" }, (_ctx, { both }: { both: [string, number] }) => both[0]);
    const maybe = task({ id: "maybe" }, (_ctx, { both }: { both: [string | null, number | null] }) => both[1]);
    expectTypeOf((d: Scope<NoParams>) => {
      d.expand(pair, { both: zip(["a", "b"], [1, 2]) });
      d.expand(pair, { both: zip(d.expand(shout, { text: ["a"] }), [1]) });
      d.expand(maybe, { both: zipLongest(null, ["a", "b"], [1]) });
      d.expand(shout, { text: concat(["a"], d.expand(shout, { text: ["b"] }, { id: "other" })) });
      d.expand(pair, { both: { a: 1, b: 2 } });
      // @ts-expect-error the fill value has no place in the pair
      d.expand(pair, { both: zipLongest(null, ["a"], [1]) });
      // @ts-expect-error the other way round
      d.expand(pair, { both: zip([1], ["a"]) });
    }).toBeFunction();
  });

  test("takes whole inputs from a list of objects", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      d.expandKwargs(shout, [{ text: "a" }, { text: "b" }]);
      d.expandKwargs(clean, d.run(task({ id: "inputs" }, (): { row: Row }[] => [])));
      d.expandKwargs(clean, [{ row: { id: 1, name: "a" } }], { keys: ["row"], partial: { strict: true } });
      // @ts-expect-error text where rows are expected
      d.expandKwargs(clean, [{ row: "a" }]);
    }).toBeFunction();
  });
});

describe("groups", () => {
  test("give the elements their types, and collect the results", () => {
    expectTypeOf((d: Scope<NoParams>) => {
      const rows = d.run(extract, { url: "u" });
      const group = d.expandGroup("per_row", { row: rows, factor: [1, 2] }, (g, { row, factor }) => {
        expectTypeOf(row).toEqualTypeOf<MapRef<Row>>();
        expectTypeOf(factor).toEqualTypeOf<MapRef<1 | 2>>();
        const name = g.run(shout, { text: row.get("name") });
        // @ts-expect-error one row where text is expected
        g.run(shout, { text: row });
        return { name, cleaned: g.run(clean, { row }) };
      });
      expectTypeOf(group.result.name).toEqualTypeOf<XComRef<string[]>>();
      d.expand(shout, { text: group.result.name }, { id: "again" });
      // @ts-expect-error a list where one text is expected
      d.run(shout, { text: group.result.name });
    }).toBeFunction();
  });
});

describe("d.params", () => {
  test("have the types of their defaults", () => {
    dag({ id: "typed", params: { url: "u", limit: 10, tags: ["a"], year: param<number>({ default: 2001 }) } }, (d) => {
      expectTypeOf(d.params.url).toEqualTypeOf<ParamRef<string>>();
      expectTypeOf(d.params.limit).toEqualTypeOf<ParamRef<number>>();
      expectTypeOf(d.params.tags).toEqualTypeOf<ParamRef<string[]>>();
      expectTypeOf(d.params.year).toEqualTypeOf<ParamRef<number>>();
      d.run(extract, { url: d.params.url });
      d.expand(shout, { text: d.params.tags });
      // @ts-expect-error a number where text is expected
      d.run(shout, { text: d.params.limit }, { id: "other" });
      // @ts-expect-error no such param
      expectTypeOf(d.params.uri).toBeNever();
    });
  });

  test("an input may be optional, nullable or a union", () => {
    expectTypeOf<string>().toExtend<Input<string | null>>();
    expectTypeOf<XComRef<string>>().toExtend<Input<string | null>>();
    expectTypeOf<XComRef<"a">>().toExtend<XComRef<string>>();
    expectTypeOf<XComRef<string>>().not.toExtend<XComRef<"a">>();
  });
});
