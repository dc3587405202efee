import { evictDurableObject } from "cloudflare:test";
import { describe, it } from "vitest";
import type { XComQuery } from "../../src/engine/objects.ts";
import type { Json } from "../../src/engine/spec.ts";
import type { StoredValue, TaskInstanceKey } from "../../src/engine/work.ts";
import { dagOwner } from "../../queues/owners.ts";
import { task } from "../../src/sdk/index.ts";
import {
  claimOne,
  claimQueued,
  clock,
  dagOf,
  drive,
  failure,
  instanceOf,
  objectEnv,
  report,
  reportOf,
  rowsOf,
  settle,
  start,
  statesOf,
  stopClock,
  stubOf,
  success,
  value,
  WORKER,
} from "./lab.ts";
import { mailbox } from "./mailbox.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

function keyOf(runId: string, taskId: string, mapIndex = -1): TaskInstanceKey {
  return { run_id: runId, task_id: taskId, map_index: mapIndex };
}

async function set(
  dagId: string,
  key: TaskInstanceKey,
  name: string,
  json: Json,
  mode: "create" | "update" = "create",
): Promise<string> {
  const length = Array.isArray(json) ? json.length : null;
  const answer = await dagOf(dagId).setXCom(key, name, { json: JSON.stringify(json) }, length, mode);
  return answer.ok ? "ok" : `${answer.refusal.code}: ${answer.refusal.message}`;
}

async function get(dagId: string, key: TaskInstanceKey, name = "return_value"): Promise<StoredValue | string> {
  const answer = await dagOf(dagId).getXCom(key, name);
  return answer.ok ? answer.value : answer.refusal.code;
}

/** Names of the entries that fit, e.g. `run a[0].key`. */
async function list(dagId: string, query: Partial<XComQuery> = {}): Promise<string[]> {
  const page = value(await dagOf(dagId).listXComs({ run_id: null, task_id: null, limit: 100, offset: 0, ...query }));
  if (query.limit === undefined) {
    expectTotal(page.total, page.items.length);
  }
  return page.items.map(({ run_id, task_id, map_index, key }) => {
    const index = map_index < 0 ? "" : `[${map_index}]`;
    return `${run_id} ${task_id}${index}.${key}`;
  });
}

function expectTotal(total: number, length: number): void {
  if (total !== length) {
    throw new Error(`expected a total of ${length}, got ${total}`);
  }
}

describe("the list of values", () => {
  it("has what was returned and what was pushed, of the runs, tasks, indexes and keys asked for", async ({
    expect,
  }) => {
    const dagId = addDag({}, (d) => {
      const rows = d.run(task({ id: "b" }, () => [1, 2]));
      d.expand(
        task({ id: "a" }, (_ctx, input: { n: number }) => input.n),
        { n: rows },
      );
    });
    const [first, second] = [Date.UTC(2099, 0, 1), Date.UTC(2099, 0, 2)];
    const begun = clock.now();
    for (const [runId, date] of [
      ["r2", first],
      ["r1", second],
    ] as const) {
      await start(dagId, { run_id: runId, logical_date: date });
      const one = await claimOne(dagId, runId, "b");
      const pushed = { ...reportOf(one, success([1, 2])), xcoms: [{ key: "bytes", value: { json: "7" } }] };
      clock.advance(5);
      await dagOf(dagId).report([pushed], WORKER, 0);
      for (const mapped of await claimQueued(dagId, runId, "a")) {
        clock.advance(5);
        await report(dagId, mapped, success(mapped.map_index));
      }
    }
    await evictDurableObject(stubOf("DAG", dagId));
    const ofRun = (runId: string): string[] => [`${runId} a[0].return_value`, `${runId} a[1].return_value`];
    const ofB = (runId: string): string[] => [`${runId} b.bytes`, `${runId} b.return_value`];
    expect(await list(dagId)).toEqual([...ofRun("r1"), ...ofRun("r2"), ...ofB("r1"), ...ofB("r2")]);
    expect(await list(dagId, { run_id: "r1" })).toEqual([...ofRun("r1"), ...ofB("r1")]);
    expect(await list(dagId, { task_id: "b" })).toEqual([...ofB("r1"), ...ofB("r2")]);
    expect(await list(dagId, { map_index: 1 })).toEqual(["r1 a[1].return_value", "r2 a[1].return_value"]);
    expect(await list(dagId, { key: "bytes" })).toEqual(["r1 b.bytes", "r2 b.bytes"]);
    expect(await list(dagId, { key_pattern: "YTE" })).toEqual(["r1 b.bytes", "r2 b.bytes"]);
    expect(await list(dagId, { key_pattern: "%".repeat(200) })).toHaveLength(8);
    expect(await list(dagId, { task_id_pattern: "nope|a" })).toHaveLength(4);
    expect(await list(dagId, { run_id_pattern: "_2", key: "bytes" })).toEqual(["r2 b.bytes"]);
    expect(await list(dagId, { run_id: "r3" })).toEqual([]);
    expect(await list(dagId, { logical_date: { gte: second } })).toEqual([...ofRun("r1"), ...ofB("r1")]);
    expect(await list(dagId, { run_after: { lt: second, gt: first } })).toEqual([]);
    expect(await list(dagId, { run_after: { lte: first } })).toEqual([...ofRun("r2"), ...ofB("r2")]);
    expect(await list(dagId, { order_by: ["-map_index", "-run_id"], limit: 3 })).toEqual([
      "r2 a[1].return_value",
      "r1 a[1].return_value",
      "r2 a[0].return_value",
    ]);
    expect(await list(dagId, { order_by: ["timestamp"], limit: 2 })).toEqual(["r2 b.bytes", "r2 b.return_value"]);
    expect(await list(dagId, { limit: 2, offset: 3 })).toEqual(["r2 a[1].return_value", "r1 b.bytes"]);
    const page = await dagOf(dagId).listXComs({ run_id: "r2", task_id: "b", limit: 1, offset: 0 });
    expect(value(page)).toEqual({
      total: 2,
      items: [
        {
          ...keyOf("r2", "b"),
          key: "bytes",
          timestamp: begun + 5,
          logical_date: first,
          run_after: first,
        },
      ],
    });
    expect(await dagOf("no_such_dag").listXComs({ run_id: null, task_id: null, limit: 1, offset: 0 })).toMatchObject({
      refusal: { code: "not_found" },
    });
  });
});

describe("a value by a user's word", () => {
  it("is created once, replaced and deleted, and each refusal says what there is or is not", async ({ expect }) => {
    const dagId = addDag({}, (d) => void d.run(step("a")));
    const runId = await start(dagId);
    const key = keyOf(runId, "a");
    await drive(dagId, runId, () => success("returned"));
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await set(dagId, key, "k", 1)).toBe("ok");
    const exists = "The XCom with key: `k` with mentioned task instance already exists.";
    expect(await set(dagId, key, "k", 2)).toBe(`conflict: ${exists}`);
    expect(await get(dagId, key, "k")).toEqual({ json: "1" });
    clock.advance(1000);
    expect(await set(dagId, key, "k", { two: 2 }, "update")).toBe("ok");
    expect(await get(dagId, key, "k")).toEqual({ json: '{"two":2}' });
    expect(value(await dagOf(dagId).listXComs({ ...key, key: "k", limit: 1, offset: 0 })).items).toMatchObject([
      { timestamp: clock.now() },
    ]);
    const missing = "The XCom with key: `x` with mentioned task instance doesn't exist.";
    expect(await set(dagId, key, "x", 1, "update")).toBe(`not_found: ${missing}`);
    expect(await dagOf(dagId).deleteXCom(key, "x")).toMatchObject({ refusal: { code: "not_found", message: missing } });
    expect(await dagOf(dagId).deleteXCom(key, "k")).toEqual({ ok: true, value: null });
    expect(await get(dagId, key, "k")).toBe("not_found");

    expect(await set(dagId, key, "return_value", "mine")).toMatch(/^conflict/);
    expect(await set(dagId, keyOf("nope", "a"), "k", 1)).toMatch(/^not_found: The DagRun .* was not found$/);
    expect(await set(dagId, keyOf(runId, "nope"), "k", 1)).toBe(
      `not_found: Task with ID: \`nope\` not found in dag: \`${dagId}\``,
    );
    expect(await set(dagId, keyOf(runId, "a", 3), "k", 1)).toMatch(/^not_found/);
    expect(await set("no_such_dag", key, "k", 1)).toMatch(/^not_found/);
    expect(await list(dagId)).toEqual([`${runId} a.return_value`]);
  });

  it("takes the place of what a task returned, small or large, also in the memory of a run that goes on", async ({
    expect,
  }) => {
    const seen: Json[] = [];
    const first = addTask(task({ id: fresh("first") }, () => "returned"));
    const second = addTask(task({ id: fresh("second") }, (_ctx, { x }: { x: Json }) => void seen.push(x)));
    const dagId = addDag({}, (d) => {
      const x = d.run(first);
      d.after(d.run(step("gate")), d.run(second, { x }));
    });
    const runId = await start(dagId);
    const key = keyOf(runId, first.id);
    await report(dagId, await claimOne(dagId, runId, first.id), success("returned"));
    expect(await set(dagId, key, "return_value", "by hand", "update")).toBe("ok");
    expect(await get(dagId, key)).toEqual({ json: '"by hand"' });
    // Large, small, large and gone: never both at once, never the one before.
    const large = { r2: "xcom/large", bytes: 200_000 };
    for (const stored of [large, { json: "3" }, large] satisfies StoredValue[]) {
      value(await dagOf(dagId).setXCom(key, "return_value", stored, null, "update"));
      await evictDurableObject(stubOf("DAG", dagId));
      expect(await get(dagId, key)).toEqual(stored);
    }
    value(await dagOf(dagId).deleteXCom(key, "return_value"));
    expect(await get(dagId, key)).toBe("not_found");
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await get(dagId, key)).toBe("not_found");
    expect(await set(dagId, key, "return_value", ["anew"])).toBe("ok");
    expect(await instanceOf(dagId, runId, first.id)).toMatchObject({ state: "success" });
    const rows = await rowsOf(stubOf("DAG", dagId), `SELECT value, value_r2 FROM task_instance WHERE value NOT NULL`);
    expect(rows).toEqual([{ value: '["anew"]', value_r2: null }]);

    await report(dagId, await claimOne(dagId, runId, "gate"), success());
    await settle(dagId, runId);
    expect(seen).toEqual([["anew"]]);
  });

  it("stands in for a task that has not run, until it runs", async ({ expect }) => {
    const dagId = addDag({}, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    const runId = await start(dagId);
    const key = keyOf(runId, "b");
    expect(await set(dagId, key, "return_value", "early")).toBe("ok");
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await get(dagId, key)).toEqual({ json: '"early"' });
    await report(dagId, await claimOne(dagId, runId, "a"), success());
    const b = await claimOne(dagId, runId, "b");
    expect(await get(dagId, key)).toBe("not_found");
    await report(dagId, b, success("late"));
    expect(await get(dagId, key)).toEqual({ json: '"late"' });
  });

  it("is given to a run that waits for it by no message, and changes no state", async ({ expect }) => {
    const dagId = addDag({}, (d) => d.after(d.run(step("a")), d.run(step("b"))));
    const runId = await start(dagId);
    mailbox.takeOf(dagId);
    const before = await statesOf(dagId, runId);
    await set(dagId, keyOf(runId, "a"), "return_value", 1);
    await set(dagId, keyOf(runId, "a"), "k", 1);
    expect(await statesOf(dagId, runId)).toEqual(before);
    expect(mailbox.takeOf(dagId)).toEqual([]);
  });
});

describe("values of all instances of a mapped task", () => {
  it("that no message can take are refused, and stay to be had one by one", async ({ expect }) => {
    const instances = 130;
    const dagId = addDag({}, (d) => {
      const each = task({ id: "each" }, (_ctx, { n }: { n: number }) => n);
      d.expand(each, { n: Array.from({ length: instances }, (_, n) => n) });
    });
    const runId = await start(dagId);
    // Two bytes a character in a message, 15 MiB of them with all instances.
    const json = JSON.stringify(`ŝ${"s".repeat(123_000)}`);
    for (const n of Array.from({ length: instances }).keys()) {
      value(await dagOf(dagId).setXCom(keyOf(runId, "each", n), "k", { json }, null, "create"));
    }
    expect(await dagOf(dagId).getXComs(runId, "each", "k")).toMatchObject({
      refusal: { code: "too_large", message: expect.stringContaining("by their map_index") },
    });
    expect(await get(dagId, keyOf(runId, "each", 129), "k")).toEqual({ json });
    const [reader] = await claimQueued(dagId, runId, "each");
    if (reader === undefined) {
      throw new Error("expected a claimed task");
    }
    const owner = dagOwner(objectEnv, dagId, WORKER, async () => null);
    await expect(owner.pullXCom(reader, { taskId: "each", key: "k" })).rejects.toThrow("by their map_index");
    for (const n of [0, 1, 2]) {
      value(await dagOf(dagId).deleteXCom(keyOf(runId, "each", n), "k"));
    }
    expect(value(await dagOf(dagId).getXComs(runId, "each", "k"))).toHaveLength(instances - 3);
  });
});

describe("a mapped task and a value by a user's word", () => {
  /** `rows`, a gate, and `each` mapped over the rows once the gate is open. */
  function mapped(): string {
    const each = task({ id: "each", retries: 1, retryDelay: "1s" }, (_ctx, { n }: { n: number }) => n);
    return addDag({}, (d) => {
      const rows = d.run(task({ id: "rows" }, () => [1]));
      const over = d.expand(each, { n: rows });
      d.after(d.run(step("gate")), over);
    });
  }

  it("is mapped over it, if it comes before the expansion", async ({ expect }) => {
    const dagId = mapped();
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "rows"), success([1, 2]));
    expect(await set(dagId, keyOf(runId, "rows"), "return_value", [5, 6, 7], "update")).toBe("ok");
    await report(dagId, await claimOne(dagId, runId, "gate"), success());
    const inputs = (await claimQueued(dagId, runId, "each")).map(({ input }) => input);
    expect(inputs).toEqual([{ n: 5 }, { n: 6 }, { n: 7 }]);
  });

  it("stays as it is when it has run", async ({ expect }) => {
    const dagId = mapped();
    const runId = await start(dagId);
    await drive(dagId, runId, (one) => success(one.task_id === "rows" ? [1, 2] : null));
    const before = await statesOf(dagId, runId);
    await set(dagId, keyOf(runId, "rows"), "return_value", [1], "update");
    expect(await statesOf(dagId, runId)).toEqual(before);
    await evictDurableObject(stubOf("DAG", dagId));
    expect(await statesOf(dagId, runId)).toEqual(before);
  });

  it("is kept from having more instances than a DAG allows", async ({ expect }) => {
    const dagId = mapped();
    const runId = await start(dagId);
    await report(dagId, await claimOne(dagId, runId, "rows"), success([1]));
    const many = Array.from({ length: 1025 }, (_, n) => n);
    expect(await set(dagId, keyOf(runId, "rows"), "return_value", many, "update")).toMatch(
      /^invalid: expected at most 1024/,
    );
    expect(await get(dagId, keyOf(runId, "rows"))).toEqual({ json: "[1]" });
    expect(await set(dagId, keyOf(runId, "gate"), "return_value", many)).toBe("ok");
  });

  it("fits itself to it while some of its instances wait, with an eviction in between or without", async ({
    expect,
  }) => {
    const outcome = async (evicts: boolean): Promise<unknown> => {
      const dagId = mapped();
      const runId = await start(dagId);
      await report(dagId, await claimOne(dagId, runId, "rows"), success([1, 2]));
      await report(dagId, await claimOne(dagId, runId, "gate"), success());
      for (const one of await claimQueued(dagId, runId, "each")) {
        await report(dagId, one, one.map_index === 0 ? failure("once more") : success());
      }
      await set(dagId, keyOf(runId, "rows"), "return_value", [1, 2, 3], "update");
      if (evicts) {
        await evictDurableObject(stubOf("DAG", dagId));
      }
      await drive(dagId, runId, () => success());
      return statesOf(dagId, runId);
    };
    const states = {
      rows: "success",
      gate: "success",
      "each[0]": "success",
      "each[1]": "success",
      "each[2]": "success",
    };
    expect(await outcome(false)).toEqual(states);
    expect(await outcome(true)).toEqual(states);
  });
});
