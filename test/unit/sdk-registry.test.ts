import { describe, test } from "vitest";
import { createRegistry, dag, empty, latestOnly, task, taskSpecOf } from "../../src/sdk/index.ts";

const shared = task({ id: "shared" }, () => 1);
const other = task({ id: "other", retries: 2, retryDelay: "1m", heartrate: "250ms" }, () => 2);
const first = dag({ id: "first" }, (d) => {
  d.after(d.run(shared), d.run(empty({ id: "join" })));
});
const second = dag({ id: "second" }, (d) => {
  d.after(d.run(shared), d.run(empty({ id: "join" })));
});

describe("createRegistry", () => {
  test("finds DAGs by their id, and tasks by their handler's name", ({ expect }) => {
    const registry = createRegistry({ dags: [first, second], tasks: [other, shared] });
    expect([...registry.dags.keys()]).toEqual(["first", "second"]);
    expect(registry.dags.get("second")).toBe(second);
    expect(Object.fromEntries(registry.tasks)).toEqual({ shared, other });
  });

  test("lists every conflict", ({ expect }) => {
    const namesake = task({ id: "shared" }, () => 3);
    const third = dag({ id: "third" }, (d) => {
      d.run(namesake);
    });
    expect(() => createRegistry({ dags: [first, first, third], tasks: [namesake] })).toThrow(
      [
        "expected a registry without conflicts, got:",
        '  DAG "first": expected DAG ids to be unique, got it again',
        '  task "shared": expected one task under this id, got two, of DAG "first" and of DAG "third"',
        '  task "shared": expected one task under this id, got two, of DAG "first" and of the tasks by themselves',
      ].join("\n"),
    );
  });

  test("refuses tasks that share a scope and do not agree on its limit", ({ expect }) => {
    const rate = { limit: 5, per: "1s", scope: "api" } as const;
    const a = task({ id: "a", concurrency: { limit: 1, scope: "api" }, rateLimit: rate }, () => null);
    const same = task(
      { id: "same", concurrency: { limit: 1, scope: "api" }, rateLimit: { ...rate, per: 1 } },
      () => null,
    );
    const b = task({ id: "b", concurrency: { limit: 2, scope: "api" }, rateLimit: { ...rate, burst: 9 } }, () => null);
    const after = task({ id: "after", concurrency: { limit: 9, scope: "a" } }, () => null);
    expect(createRegistry({ dags: [], tasks: [a, same, after] }).tasks.size).toBe(3);
    expect(() => createRegistry({ dags: [], tasks: [a, b] })).toThrow(
      [
        "expected a registry without conflicts, got:",
        '  task "b", concurrency: expected the limit that task "a" gives the scope "api" (1), got 2',
        '  task "b", rateLimit: expected the limit that task "a" gives the scope "api" (5 per 1 s, burst 1), got 5 per 1 s, burst 9',
      ].join("\n"),
    );
  });

  test("refuses tasks by themselves that could not run", ({ expect }) => {
    const wrong = task({ id: "a b", retries: -1, retryDelay: "soon" as "1s" }, () => null);
    expect(() => createRegistry({ dags: [], tasks: [wrong, latestOnly({ id: "latest" })] })).toThrow(
      [
        "expected a registry without conflicts, got:",
        '  task "a b", retryDelay: expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got "soon"',
        `  task "a b", task_id: expected letters, digits, '_', '-' or '.', got "a b"`,
        '  task "a b", retries: expected at least 0, got -1',
        '  task "latest": expected a task with a handler, got the operator latest_only',
      ].join("\n"),
    );
  });
});

describe("taskSpecOf", () => {
  test("gives what a task by itself runs by, with every default", ({ expect }) => {
    expect(taskSpecOf(other)).toMatchObject({
      task_id: "other",
      handler: "other",
      retries: 2,
      retry_delay: 60,
      heartrate: 0.25,
      execution_timeout: null,
    });
  });
});
