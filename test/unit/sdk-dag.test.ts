import { describe, test } from "vitest";
import {
  DagDefinitionError,
  branch,
  concat,
  dag,
  empty,
  latestOnly,
  param,
  shortCircuit,
  task,
  zip,
  zipLongest,
} from "../../src/sdk/index.ts";
import type { DagDefinition, MapRef, NoParams, Scope, TaskNode } from "../../src/sdk/index.ts";

const rows = task({ id: "rows" }, () => [{ id: 1 }, { id: 2 }]);
const clean = task({ id: "clean" }, (_ctx, { row, strict }: { row: { id: number }; strict?: boolean }) => ({
  id: row.id,
  strict: strict ?? false,
}));
const load = task({ id: "load" }, (_ctx, { ids }: { ids: { id: number }[] }) => ids.length);
const say = task({ id: "say" }, (_ctx, { text }: { text: string }) => text);
/** Ignores every delivery. */
function toConf(): null {
  return null;
}

const step = task({ id: "step" }, () => null);

/** Names of tasks with their upstream tasks. */
function edgesOf(definition: DagDefinition): Record<string, string[]> {
  return Object.fromEntries(definition.spec.tasks.map((one) => [one.task_id, one.upstream_task_ids]));
}

function wire(build: (d: Scope<NoParams>) => void): DagDefinition {
  return dag({ id: "wired" }, build);
}

function steps(d: Scope<NoParams>, ...ids: string[]): TaskNode<null>[] {
  return ids.map((id) => d.run(step, undefined, { id }));
}

function problemsOf(build: () => unknown): string[] {
  try {
    build();
    return [];
  } catch (error) {
    return error instanceof DagDefinitionError
      ? error.problems.map((one) => `${one.where}: ${one.message}`)
      : [String(error)];
  }
}

describe("dag()", () => {
  test("compiles to a spec with every default filled in", ({ expect }) => {
    const extract = task(
      { id: "extract", retries: 3, retryDelay: "30s", retryExponentialBackoff: true, maxRetryDelay: "1h" },
      (_ctx, { url }: { url: string }) => [{ id: url.length }],
    );
    const tidy = task(
      { id: "tidy", heartrate: "500ms", docMd: "# Tidy" },
      (_ctx, { row }: { row: { id: number } }) => row,
    );
    const save = task(
      { id: "save", triggerRule: "none_failed", executionTimeout: "5m" },
      (_ctx, input: { rows: { id: number }[]; run: string; first: number }) => input.rows.length,
    );
    const etl = dag(
      {
        id: "etl",
        description: "Rows",
        tags: ["example"],
        owner: "data",
        dagrunTimeout: "2h",
        maxMapLength: 10,
        params: { url: "https://example.com/rows.json" },
      },
      (d) => {
        const extracted = d.run(extract, { url: d.params.url });
        const tidied = d.expand(tidy, { row: extracted });
        d.run(save, { rows: tidied, run: d.dagRun.runId, first: 1 }, { id: "load", retries: 1 });
      },
    );
    expect(etl.tasks).toEqual([extract, tidy, save]);
    expect(etl.toConf).toBeUndefined();
    expect(etl.spec).toEqual({
      dag_id: "etl",
      description: "Rows",
      doc_md: null,
      tags: ["example"],
      owner: "data",
      is_paused_upon_creation: false,
      fail_fast: false,
      dagrun_timeout: 7200,
      max_map_length: 10,
      schedule: null,
      timezone: "UTC",
      start_date: null,
      end_date: null,
      catchup: false,
      max_active_runs: 16,
      max_active_tasks: null,
      max_consecutive_failed_dag_runs: 0,
      params: { url: { default: "https://example.com/rows.json", schema: { type: "string" } } },
      task_groups: [],
      tasks: [
        {
          task_id: "extract",
          handler: "extract",
          operator: "task",
          input: { url: { $ref: "params", path: ["url"] } },
          upstream_task_ids: [],
          trigger_rule: "all_success",
          retries: 3,
          retry_delay: 30,
          retry_exponential_backoff: 2,
          max_retry_delay: 3600,
          execution_timeout: null,
          heartrate: 5,
          is_setup: false,
          is_teardown: false,
          on_failure_fail_dagrun: false,
          ignore_downstream_trigger_rules: true,
          pool_slots: 1,
          priority_weight: 1,
          weight_rule: "downstream",
          queue: "default",
          run_in: "consumer",
          max_active_tis_per_dag: null,
          max_active_tis_per_dagrun: null,
          depends_on_past: false,
          wait_for_downstream: false,
          ignore_first_depends_on_past: true,
        },
        {
          task_id: "tidy",
          handler: "tidy",
          operator: "task",
          input: { row: { $ref: "map", path: ["row"] } },
          expand: { type: "expand", kwargs: { row: { $ref: "xcom", task_id: "extract" } } },
          upstream_task_ids: ["extract"],
          trigger_rule: "all_success",
          retries: 0,
          retry_delay: 300,
          retry_exponential_backoff: 0,
          max_retry_delay: null,
          execution_timeout: null,
          heartrate: 0.5,
          is_setup: false,
          is_teardown: false,
          on_failure_fail_dagrun: false,
          ignore_downstream_trigger_rules: true,
          pool_slots: 1,
          priority_weight: 1,
          weight_rule: "downstream",
          queue: "default",
          run_in: "consumer",
          max_active_tis_per_dag: null,
          max_active_tis_per_dagrun: null,
          depends_on_past: false,
          wait_for_downstream: false,
          ignore_first_depends_on_past: true,
          doc_md: "# Tidy",
        },
        {
          task_id: "load",
          handler: "save",
          operator: "task",
          input: {
            rows: { $ref: "xcom", task_id: "tidy" },
            run: { $ref: "run", field: "run_id" },
            first: 1,
          },
          upstream_task_ids: ["tidy"],
          trigger_rule: "none_failed",
          retries: 1,
          retry_delay: 300,
          retry_exponential_backoff: 0,
          max_retry_delay: null,
          execution_timeout: 300,
          heartrate: 5,
          is_setup: false,
          is_teardown: false,
          on_failure_fail_dagrun: false,
          ignore_downstream_trigger_rules: true,
          pool_slots: 1,
          priority_weight: 1,
          weight_rule: "downstream",
          queue: "default",
          run_in: "consumer",
          max_active_tis_per_dag: null,
          max_active_tis_per_dagrun: null,
          depends_on_past: false,
          wait_for_downstream: false,
          ignore_first_depends_on_past: true,
        },
      ],
    });
  });

  test("keeps the operators, and registers no handler for those that need none", ({ expect }) => {
    const choose = branch({ id: "choose" }, () => "left");
    const gate = shortCircuit({ id: "gate", ignoreDownstreamTriggerRules: false }, () => true);
    const definition = wire((d) => {
      d.run(choose);
      d.run(gate);
      d.run(latestOnly({ id: "latest" }));
      d.run(empty({ id: "join" }));
    });
    expect(definition.tasks).toEqual([choose, gate]);
    expect(definition.spec.tasks.map((one) => [one.task_id, one.operator, one.handler])).toEqual([
      ["choose", "branch", "choose"],
      ["gate", "short_circuit", "gate"],
      ["latest", "latest_only", "latest_only"],
      ["join", "empty", "empty"],
    ]);
    expect(definition.spec.tasks.map((one) => one.ignore_downstream_trigger_rules)).toEqual([true, false, true, true]);
  });

  test("declares params with or without a default, by a value or by a schema", ({ expect }) => {
    const params = {
      text: "a",
      number: 3,
      flag: false,
      list: [1],
      object: { a: 1 },
      nothing: null,
      year: param<number>({ description: "Year", schema: { type: "integer", minimum: 2000 } }),
      limit: param({ default: 10 }),
    };
    expect(dag({ id: "p", params }, () => undefined).spec.params).toEqual({
      text: { default: "a", schema: { type: "string" } },
      number: { default: 3, schema: { type: "number" } },
      flag: { default: false, schema: { type: "boolean" } },
      list: { default: [1], schema: { type: "array" } },
      object: { default: { a: 1 }, schema: { type: "object" } },
      nothing: { default: null, schema: {} },
      year: { description: "Year", schema: { type: "integer", minimum: 2000 } },
      limit: { default: 10, schema: {} },
    });
  });

  test("takes a webhook with its function apart from the spec", ({ expect }) => {
    const definition = dag(
      {
        id: "hook",
        webhook: { provider: "hmac", secret: "SECRET", signatureHeader: "x-sig", tolerance: "1m", toConf },
      },
      () => undefined,
    );
    expect(definition.toConf).toBe(toConf);
    expect(definition.spec.webhook).toEqual({
      provider: "hmac",
      secret: "SECRET",
      signature_header: "x-sig",
      tolerance: 60,
    });
  });
});

describe("inputs", () => {
  test("hold references at any depth, with paths into them", ({ expect }) => {
    const any = task({ id: "any" }, (_ctx, input: { a: { b: unknown[] }; c: unknown }) => input);
    const definition = wire((d) => {
      const list = d.run(rows);
      d.run(any, { a: { b: [list.get(0), list.get(1).get("id"), "plain"] }, c: d.dagRun.conf });
    });
    expect(definition.spec.tasks[1]?.input).toEqual({
      a: {
        b: [{ $ref: "xcom", task_id: "rows", path: [0] }, { $ref: "xcom", task_id: "rows", path: [1, "id"] }, "plain"],
      },
      c: { $ref: "run", field: "conf" },
    });
    expect(edgesOf(definition)["any"]).toEqual(["rows"]);
  });

  test("may be a reference as a whole", ({ expect }) => {
    const definition = wire((d) => {
      d.run(clean, d.run(task({ id: "make" }, () => ({ row: { id: 1 } }))));
    });
    expect(definition.spec.tasks[1]?.input).toEqual({ $ref: "xcom", task_id: "make" });
  });

  test("leave out fields that are undefined, and mark data that looks like a reference", ({ expect }) => {
    const any = task({ id: "any" }, (_ctx, input: { data: unknown }) => input);
    const definition = wire((d) => {
      d.run(any, { data: { a: undefined, schema: { $ref: "#/$defs/x" }, marked: { $literal: 1 } } });
    });
    expect(definition.spec.tasks[0]?.input).toEqual({
      data: { schema: { $literal: { $ref: "#/$defs/x" } }, marked: { $literal: { $literal: 1 } } },
    });
  });
});

describe("expansions", () => {
  test("keep what is the same for all elements as partial", ({ expect }) => {
    const definition = wire((d) => {
      d.expand(clean, { row: d.run(rows) }, { partial: { strict: true }, id: "clean_all", retries: 2 });
    });
    expect(definition.spec.tasks[1]).toMatchObject({
      task_id: "clean_all",
      retries: 2,
      input: { strict: true, row: { $ref: "map", path: ["row"] } },
      expand: { type: "expand", kwargs: { row: { $ref: "xcom", task_id: "rows" } } },
    });
  });

  test("keep the order of the keywords, the last of which varies fastest", ({ expect }) => {
    const cross = task({ id: "cross" }, (_ctx, { z, a }: { z: number; a: string }) => `${z}${a}`);
    const definition = wire((d) => {
      d.expand(cross, { z: [1, 2], a: ["x"] });
    });
    const expand = definition.spec.tasks[0]?.expand;
    expect(expand?.type === "expand" && Object.keys(expand.kwargs)).toEqual(["z", "a"]);
  });

  test("combine lists", ({ expect }) => {
    const pair = task({ id: "pair" }, (_ctx, { p }: { p: [{ id: number } | null, string | null] }) => p);
    const definition = dag({ id: "combined", params: { names: ["a"] } }, (d) => {
      const list = d.run(rows);
      d.expand(pair, { p: zip(list, concat(d.params.names, ["b"])) });
      d.expand(pair, { p: zipLongest(null, list, ["a"]) }, { id: "longest" });
    });
    const kwargs = definition.spec.tasks.map(({ expand }) => (expand?.type === "expand" ? expand.kwargs["p"] : null));
    expect(kwargs).toEqual([
      null,
      {
        zip: [{ $ref: "xcom", task_id: "rows" }, { concat: [{ $ref: "params", path: ["names"] }, { literal: ["b"] }] }],
      },
      { zip: [{ $ref: "xcom", task_id: "rows" }, { literal: ["a"] }], fillvalue: null },
    ]);
  });

  test("take whole inputs or some fields from a list of objects", ({ expect }) => {
    const definition = wire((d) => {
      d.expandKwargs(say, [{ text: "a" }]);
      d.expandKwargs(clean, [{ row: { id: 1 } }], { keys: ["row"], partial: { strict: true } });
    });
    expect(definition.spec.tasks.map(({ input, expand }) => ({ input, expand }))).toEqual([
      { input: { $ref: "map" }, expand: { type: "expand_kwargs", source: { literal: [{ text: "a" }] } } },
      {
        input: { strict: true, row: { $ref: "map", path: ["row"] } },
        expand: { type: "expand_kwargs", source: { literal: [{ row: { id: 1 } }] } },
      },
    ]);
  });
});

describe("d.after", () => {
  test("adds edges that no data makes, from all to all", ({ expect }) => {
    const definition = wire((d) => {
      const [a, b, c, e] = steps(d, "a", "b", "c", "e");
      d.after([a ?? [], [b ?? []]], [c ?? [], e ?? []]);
    });
    expect(edgesOf(definition)).toEqual({ a: [], b: [], c: ["a", "b"], e: ["a", "b"] });
  });

  test("binds a group by its first and its last tasks", ({ expect }) => {
    const definition = wire((d) => {
      const [before, later] = steps(d, "before", "later");
      const group = d.group("g", { tooltip: "Group" }, (g) => {
        const [a, b, c] = steps(g, "a", "b", "c");
        g.after(a ?? [], [b ?? [], c ?? []]);
      });
      d.after(before ?? [], group);
      d.after(group, later ?? []);
    });
    expect(edgesOf(definition)).toEqual({
      before: [],
      later: ["g.b", "g.c"],
      "g.a": ["before"],
      "g.b": ["g.a"],
      "g.c": ["g.a"],
    });
    expect(definition.spec.task_groups).toEqual([{ group_id: "g", tooltip: "Group" }]);
  });

  test("knows the ends of a group also if its inner edges are drawn later, or between groups inside it", ({
    expect,
  }) => {
    const definition = wire((d) => {
      const [before] = steps(d, "before");
      const outer = d.group("outer", {}, (g) => {
        const second = g.group("second", {}, (h) => steps(h, "x"));
        const first = g.group("first", {}, (h) => steps(h, "x"));
        return { first, second };
      });
      d.after(before ?? [], outer);
      d.after(outer.result.first, outer.result.second);
    });
    expect(edgesOf(definition)).toEqual({
      before: [],
      "outer.second.x": ["outer.first.x"],
      "outer.first.x": ["before"],
    });
  });

  test("lets what follows a group wait for its work and not for its teardown", ({ expect }) => {
    const definition = wire((d) => {
      const group = d.group("g", {}, (g) => {
        const [setup, work, teardown] = steps(g, "setup", "work", "teardown");
        g.after(setup ?? [], work ?? []);
        g.after(work ?? [], teardown ?? []);
        teardown?.asTeardown({ setups: setup ?? [] });
      });
      const [next] = steps(d, "next");
      d.after(group, next ?? []);
    });
    expect(edgesOf(definition)["next"]).toEqual(["g.work"]);
  });
});

describe("groups", () => {
  test("put their id before those of their members, unless they are told not to", ({ expect }) => {
    const definition = wire((d) => {
      d.group("a", {}, (g) => {
        steps(g, "x");
        g.group("b", {}, (h) => steps(h, "x"));
        g.group("c", { prefixGroupId: false }, (h) => steps(h, "y"));
      });
    });
    expect(definition.spec.tasks.map((one) => [one.task_id, one.task_group_id])).toEqual([
      ["a.x", "a"],
      ["a.b.x", "a.b"],
      ["y", "a.c"],
    ]);
    expect(definition.spec.task_groups).toEqual([
      { group_id: "a" },
      { group_id: "a.b", parent_group_id: "a" },
      { group_id: "a.c", parent_group_id: "a" },
    ]);
  });

  test("map: each element goes through all members, and the result is a list of all", ({ expect }) => {
    const definition = wire((d) => {
      const list = d.run(rows);
      const group = d.expandGroup("per_row", { row: list }, (g, { row }) => {
        const cleaned = g.run(clean, { row });
        return { cleaned, said: g.run(say, { text: "done" }) };
      });
      d.run(load, { ids: group.result.cleaned });
      d.expand(say, { text: group.result.said }, { id: "repeat" });
    });
    expect(definition.spec.task_groups).toEqual([
      { group_id: "per_row", expand: { type: "expand", kwargs: { row: { $ref: "xcom", task_id: "rows" } } } },
    ]);
    expect(definition.spec.tasks.map(({ input }) => input)).toEqual([
      null,
      { row: { $ref: "map", path: ["row"] } },
      { text: "done" },
      { ids: { $ref: "xcom", task_id: "per_row.clean" } },
      { text: { $ref: "map", path: ["text"] } },
    ]);
    expect(edgesOf(definition)).toEqual({
      rows: [],
      "per_row.clean": ["rows"],
      "per_row.say": ["rows"],
      load: ["per_row.clean"],
      repeat: ["per_row.say"],
    });
  });

  test("map over a list of objects", ({ expect }) => {
    const definition = wire((d) => {
      d.expandGroupKwargs("g", [{ text: "a" }], (g, element) => g.run(say, { text: element.get("text") }));
    });
    expect(definition.spec.task_groups[0]?.expand).toEqual({
      type: "expand_kwargs",
      source: { literal: [{ text: "a" }] },
    });
    expect(definition.spec.tasks[0]?.input).toEqual({ text: { $ref: "map", path: ["text"] } });
  });

  test("count what feeds a mapped group inside as their beginning", ({ expect }) => {
    const definition = wire((d) => {
      const [before] = steps(d, "before");
      const outer = d.group("outer", {}, (g) => {
        const list = g.run(rows);
        g.expandGroup("inner", { row: list }, (h, { row }) => h.run(clean, { row }));
      });
      d.after(before ?? [], outer);
    });
    expect(edgesOf(definition)).toEqual({ before: [], "outer.rows": ["before"], "outer.inner.clean": ["outer.rows"] });
  });
});

describe("setups and teardowns", () => {
  test("asTeardown makes the setups setups, draws the edge, and takes the rule of teardowns", ({ expect }) => {
    const definition = wire((d) => {
      const [open, work, close] = steps(d, "open", "work", "close");
      d.after(open ?? [], work ?? []);
      d.after(work ?? [], close ?? []);
      close?.asTeardown({ setups: open ?? [], onFailureFailDagrun: true });
    });
    expect(edgesOf(definition)).toEqual({ open: [], work: ["open"], close: ["open", "work"] });
    expect(
      definition.spec.tasks.map((one) => [one.is_setup, one.is_teardown, one.trigger_rule, one.on_failure_fail_dagrun]),
    ).toEqual([
      [true, false, "all_success", false],
      [false, false, "all_success", false],
      [false, true, "all_done_setup_success", true],
    ]);
  });

  test("what was said of a teardown stays said", ({ expect }) => {
    const definition = wire((d) => {
      const [open, close] = steps(d, "open", "close");
      close?.asTeardown({ onFailureFailDagrun: true }).asTeardown({ setups: open ?? [] });
    });
    expect(definition.spec.tasks[1]).toMatchObject({ is_teardown: true, on_failure_fail_dagrun: true });
  });

  test("a teardown keeps a rule of its own", ({ expect }) => {
    const definition = wire((d) => {
      d.run(step, undefined, { triggerRule: "all_done" }).asTeardown();
    });
    expect(definition.spec.tasks[0]?.trigger_rule).toBe("all_done");
  });
});

describe("a DAG that does not hold together throws at once, and names", () => {
  test("every problem with its place", ({ expect }) => {
    const params = { year: param({ default: "x", schema: { type: "integer" } }) };
    function wrong(): unknown {
      return dag({ id: "wrong", params, dagrunTimeout: -1 }, (d) => {
        d.run(step, undefined, { id: "a", retries: -1 });
      });
    }
    expect(wrong).toThrow(DagDefinitionError);
    expect(wrong).toThrow(
      [
        'DAG "wrong" cannot be used: 2 problems',
        '  dagrunTimeout: expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got -1',
        '  task "a", retries: expected at least 0, got -1',
      ].join("\n"),
    );
  });

  test("what does not go together, once the shape is right", ({ expect }) => {
    const params = { year: param({ default: "x", schema: { type: "integer" } }) };
    const problems = problemsOf(() =>
      dag({ id: "wrong", params, failFast: true }, (d) => {
        d.group("g", {}, (g) => g.run(step, undefined, { triggerRule: "always" }));
        d.expandGroup("h", { text: Array.from({ length: 1025 }, () => "a") }, (g, { text }) => g.run(say, { text }));
      }),
    );
    expect(problems).toEqual([
      'params.year: expected type integer at the defaults of the params.year, got "x"',
      'task "g.step", trigger_rule: expected all_success in a fail_fast DAG, got "always"',
      'group "h", expand.kwargs.text: expected at most 1024 elements (max_map_length), got 1025',
    ]);
  });

  test("a cycle with its path", ({ expect }) => {
    const problems = problemsOf(() =>
      wire((d) => {
        const [a, b, c] = steps(d, "a", "b", "c");
        d.after(a ?? [], b ?? []);
        d.after(b ?? [], c ?? []);
        d.after(c ?? [], a ?? []);
      }),
    );
    expect(problems).toEqual(['task "a", upstream_task_ids: expected no cycle, got a -> b -> c -> a']);
  });

  const foreign: { node?: TaskNode<string> } = {};
  wire((d) => {
    foreign.node = d.run(say, { text: "a" });
  });

  const rowsOfProblems: [string, (d: Scope<NoParams>) => unknown, string[]][] = [
    [
      "a task that is used twice under one id",
      (d) => [d.run(step), d.run(step)],
      ['task "step": expected every task to be used once under one id, got it again: give one of them another { id }'],
    ],
    [
      "a duration that cannot be read",
      (d) => d.run(step, undefined, { retryDelay: "1 hour" as "1h", heartrate: -1 }),
      [
        'task "step", retryDelay: expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got "1 hour"',
        'task "step", heartrate: expected a duration as seconds or with a unit (30, "30s", "500ms", "5m", "1h", "2d"), got -1',
      ],
    ],
    [
      "a rule that does not exist",
      (d) => d.run(step, undefined, { triggerRule: "sometimes" as "always" }),
      [
        'task "step", trigger_rule: expected one of all_success, all_failed, all_done, all_done_min_one_success, all_done_setup_success, one_success, one_failed, one_done, none_failed, none_failed_min_one_success, none_skipped, all_skipped, always, got "sometimes"',
      ],
    ],
    [
      "an input that is no JSON",
      (d) =>
        d.run(
          task({ id: "t" }, (_ctx, i: { a: unknown }) => i),
          { a: [1, new Date(0), Number.NaN, () => 1] },
        ),
      [
        'task "t", input.a[1]: expected JSON or a reference, got a Date',
        'task "t", input.a[2]: expected JSON or a reference, got NaN (number)',
        'task "t", input.a[3]: expected JSON or a reference, got a function',
      ],
    ],
    [
      "a list of references to expand over",
      (d) =>
        d.expand(
          task({ id: "t" }, (_ctx, i: { a: unknown }) => i),
          { a: [d.run(step)] },
        ),
      [
        'task "t", expand.a: expected data without references, got a reference inside: return the list from a task instead',
      ],
    ],
    [
      "a part of a result to expand over",
      (d) => d.expand(say, { text: d.run(task({ id: "t" }, () => ({ texts: ["a"] }))).get("texts") as never }),
      [
        'task "say", expand.text: expected the whole result of a task or a param to expand over, got a part of it or another reference (the result of "t"): return the list itself from a task',
      ],
    ],
    [
      "a reference of another DAG",
      (d) => d.run(say, { text: foreign.node ?? "" }, { id: "here" }),
      ['task "here", input.text: expected a reference of this DAG, got the result of "say" of another one'],
    ],
    [
      "an edge from another DAG",
      (d) => d.after(foreign.node ?? [], d.run(step)),
      ['after: expected tasks and groups of this DAG, got "say" of another one'],
    ],
    [
      "a task of a mapped group that is used outside it",
      (d) => {
        const inside: { node?: TaskNode<{ id: number; strict: boolean }> } = {};
        d.expandGroup("g", { row: [{ id: 1 }] }, (g, { row }) => {
          inside.node = g.run(clean, { row });
        });
        return d.run(load, { ids: [inside.node ?? { id: 0 }] });
      },
      [
        'task "load", input.ids[0]: expected the result of "g.clean" only inside the mapped group "g", got it outside: return it from the group\'s function and use the group\'s result, a list',
      ],
    ],
    [
      "an element that is used outside its group",
      (d) => {
        const leaked: { text?: MapRef<string> } = {};
        d.expandGroup("g", { text: ["a"] }, (_g, { text }) => {
          leaked.text = text;
        });
        return d.run(say, { text: leaked.text ?? "" });
      },
      ['task "say", input.text: expected the element only inside the mapped group "g", got it outside'],
    ],
    [
      "something else than tasks that a mapped group returns",
      (d) => d.expandGroup("g", { text: ["a"] }, () => ({ made: new Date(0) })),
      ['group "g", result.made: expected tasks of the group, or a structure of them, got something else'],
    ],
    [
      "a group that comes before its own member",
      (d) => {
        const group = d.group("g", {}, (g) => ({ inside: g.run(step) }));
        d.after(group, group.result.inside);
      },
      ['task "g.step": expected edges between separate tasks and groups, got one from group "g"'],
    ],
    [
      "mapped groups that are nested",
      (d) =>
        d.expandGroup(
          "g",
          { a: ["x"] },
          (g) => g.expandGroup("h", { text: ["y"] }, (h, { text }) => h.run(say, { text })).result,
        ),
      [
        'group "g.h", expand: expected no expansion inside the mapped group "g" (mapped groups do not nest), got one for the group "g.h"',
      ],
    ],
    [
      "an async function",
      async (d) => {
        d.run(step);
        await Promise.resolve();
      },
      ["the function: expected it to wire tasks at once, got an async function"],
    ],
  ];

  test.for(rowsOfProblems)("%s", ([, build, problems], { expect }) => {
    expect(problemsOf(() => wire(build))).toEqual(problems);
  });

  test("an id that is none", ({ expect }) => {
    expect(problemsOf(() => dag({ id: "a b" }, () => undefined))).toEqual([
      `dag_id: expected letters, digits, '_', '-' or '.', got "a b"`,
    ]);
  });
});
