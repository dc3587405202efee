import { readFileSync } from "node:fs";
import { Validator } from "@cfworker/json-schema";
import type { Schema } from "@cfworker/json-schema";
import fc from "fast-check";
import { describe, test } from "vitest";
import { registry } from "../../dags/index.ts";
import { LIMITS, TRIGGER_RULES, expandSchema } from "../../src/engine/spec.ts";
import type { DagSpecInput } from "../../src/engine/spec.ts";
import { validateDagSpec } from "../../src/engine/validate-spec.ts";

type TaskInput = DagSpecInput["tasks"][number];

/** A task that only has what this case is about. */
function taskOf(id: string, fields: Partial<TaskInput> = {}): TaskInput {
  return { task_id: id, handler: "handler", ...fields };
}

function dagOf(tasks: unknown[], fields: Record<string, unknown> = {}): unknown {
  return { dag_id: "etl", tasks, ...fields };
}

function errorsOf(input: unknown): { path: (string | number)[]; message: string }[] {
  const result = validateDagSpec(input);
  return result.ok ? [] : result.errors;
}

function upstreamOf(input: unknown): Record<string, string[]> {
  const result = validateDagSpec(input);
  return result.ok ? Object.fromEntries(result.spec.tasks.map((task) => [task.task_id, task.upstream_task_ids])) : {};
}

const xcom = (id: string): { $ref: "xcom"; task_id: string } => ({ $ref: "xcom", task_id: id });
const over = (source: unknown): { type: "expand"; kwargs: Record<string, unknown> } => ({
  type: "expand",
  kwargs: { x: source },
});
const numbers = (length: number): { literal: number[] } => ({ literal: Array.from({ length }, (_, i) => i) });

/** Input, and what is wrong with it: the path and the message of its one error. */
type Row = [name: string, input: unknown, path: (string | number)[], message: string];

const SHAPE: Row[] = [
  ["the spec is no object", 3, [], "expected an object, got 3"],
  ["the DAG has no id", { tasks: [] }, ["dag_id"], "expected a string, got nothing"],
  [
    "an id has characters that ids do not have",
    { dag_id: "a b", tasks: [] },
    ["dag_id"],
    `expected letters, digits, '_', '-' or '.', got "a b"`,
  ],
  ["an id is too long", { dag_id: "x".repeat(251), tasks: [] }, ["dag_id"], "expected at most 250 characters, got 251"],
  ["tasks are no list", { dag_id: "a", tasks: {} }, ["tasks"], "expected an array, got {}"],
  [
    "there are too many tasks",
    dagOf(Array.from({ length: LIMITS.tasksPerDag + 1 }, (_, i) => taskOf(`t${i}`))),
    ["tasks"],
    "expected at most 5000 elements, got 5001",
  ],
  ["a handler is missing", dagOf([{ task_id: "a" }]), ["tasks", 0, "handler"], "expected a string, got nothing"],
  [
    "a handler has no name",
    dagOf([{ task_id: "a", handler: "" }]),
    ["tasks", 0, "handler"],
    'expected at least 1 characters, got ""',
  ],
  [
    "a trigger rule is unknown",
    dagOf([{ task_id: "a", handler: "h", trigger_rule: "sometimes" }]),
    ["tasks", 0, "trigger_rule"],
    `expected one of ${TRIGGER_RULES.join(", ")}, got "sometimes"`,
  ],
  [
    "an operator is unknown",
    dagOf([{ task_id: "a", handler: "h", operator: "bash" }]),
    ["tasks", 0, "operator"],
    'expected one of task, branch, short_circuit, latest_only, empty, got "bash"',
  ],
  [
    "a field is unknown",
    dagOf([{ task_id: "a", handler: "h", retry: 3 }]),
    ["tasks", 0, "retry"],
    "expected no field of this name here, got 3",
  ],
  [
    "retries are no whole number",
    dagOf([taskOf("a", { retries: 1.5 })]),
    ["tasks", 0, "retries"],
    "expected a whole number, got 1.5",
  ],
  [
    "retries are negative",
    dagOf([taskOf("a", { retries: -1 })]),
    ["tasks", 0, "retries"],
    "expected at least 0, got -1",
  ],
  [
    "an execution timeout is zero",
    dagOf([taskOf("a", { execution_timeout: 0 })]),
    ["tasks", 0, "execution_timeout"],
    "expected more than 0, got 0",
  ],
  [
    "a heartrate is out of its range",
    dagOf([taskOf("a", { heartrate: 7200 })]),
    ["tasks", 0, "heartrate"],
    "expected at most 3600, got 7200",
  ],
  [
    "an input is no JSON",
    dagOf([{ task_id: "a", handler: "h", input: 1n }]),
    ["tasks", 0, "input"],
    "expected a JSON value, got 1n",
  ],
  [
    "a queue is no name",
    dagOf([{ task_id: "a", handler: "h", queue: 5 }]),
    ["tasks", 0, "queue"],
    "expected the name of a queue or of a role, or { spread, by, key }, got 5",
  ],
  [
    "a queue is spread by what is none",
    dagOf([{ task_id: "a", handler: "h", queue: { spread: ["default", "heavy"], by: "turn" } }]),
    ["tasks", 0, "queue", "by"],
    'expected one of round_robin, random, hash, got "turn"',
  ],
  [
    "the key of a spread queue is no path",
    dagOf([{ task_id: "a", handler: "h", queue: { spread: ["default", "heavy"], by: "hash", key: "row" } }]),
    ["tasks", 0, "queue", "key"],
    'expected an array, got "row"',
  ],
  [
    "the key of a spread queue has a step that is none",
    dagOf([{ task_id: "a", handler: "h", queue: { spread: ["default", "heavy"], by: "hash", key: ["rows", 0.5] } }]),
    ["tasks", 0, "queue", "key", 1],
    "expected a string or a whole number, got 0.5",
  ],
  [
    "an expansion is of an unknown type",
    dagOf([{ task_id: "a", handler: "h", expand: { type: "map" } }]),
    ["tasks", 0, "expand", "type"],
    'expected one of expand, expand_kwargs, got "map"',
  ],
  [
    "an expansion has no keyword",
    dagOf([taskOf("a", { expand: { type: "expand", kwargs: {} } })]),
    ["tasks", 0, "expand", "kwargs"],
    "expected at least one keyword to expand over, got {}",
  ],
  [
    "a source of elements is none",
    dagOf([{ task_id: "a", handler: "h", expand: over({ list: [1] }) }]),
    ["tasks", 0, "expand", "kwargs", "x"],
    'expected a source of elements ({ literal }, { $ref: "xcom", task_id }, { $ref: "params", path }, { zip } or { concat }), got {"list":[1]}',
  ],
  [
    "max_map_length is above the limit of a run",
    dagOf([], { max_map_length: 20_001 }),
    ["max_map_length"],
    "expected at most 20000, got 20001",
  ],
  [
    "a webhook's provider is unknown",
    dagOf([], { webhook: { provider: "gitlab", secret: "S" } }),
    ["webhook", "provider"],
    'expected one of github, stripe, standard, hmac, got "gitlab"',
  ],
  [
    "a webhook's secret is the variable JOBBERS_API_KEY",
    dagOf([], { webhook: { provider: "github", secret: "JOBBERS_API_KEY" } }),
    ["webhook", "secret"],
    "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES), got \"JOBBERS_API_KEY\"",
  ],
  [
    "a webhook's secret is the variable JOBBERS_USERS",
    dagOf([], { webhook: { provider: "github", secret: "JOBBERS_USERS" } }),
    ["webhook", "secret"],
    "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES), got \"JOBBERS_USERS\"",
  ],
  [
    "a webhook's secret is the variable TASK_CONSUMER",
    dagOf([], { webhook: { provider: "github", secret: "TASK_CONSUMER" } }),
    ["webhook", "secret"],
    "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES), got \"TASK_CONSUMER\"",
  ],
  [
    "a webhook's secret is the variable QUEUES",
    dagOf([], { webhook: { provider: "github", secret: "QUEUES" } }),
    ["webhook", "secret"],
    "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES), got \"QUEUES\"",
  ],
  [
    "a webhook's secret is the variable a b",
    dagOf([], { webhook: { provider: "github", secret: "a b" } }),
    ["webhook", "secret"],
    "expected the name of an environment variable (letters, digits and '_') that is none of the service's own (JOBBERS_*, TASK_CONSUMER, QUEUES), got \"a b\"",
  ],
  [
    "a webhook's signature_header is no name of a header",
    dagOf([], { webhook: { provider: "hmac", secret: "S", signature_header: "a b" } }),
    ["webhook", "signature_header"],
    'expected the name of a header: letters, digits and !#$%&\'*+-.^_`|~, got "a b"',
  ],
  [
    "a webhook's timestamp_header is no name of a header",
    dagOf([], { webhook: { provider: "hmac", secret: "S", signature_header: "x", timestamp_header: "a b" } }),
    ["webhook", "timestamp_header"],
    'expected the name of a header: letters, digits and !#$%&\'*+-.^_`|~, got "a b"',
  ],
  [
    "a webhook's delivery_header is no name of a header",
    dagOf([], { webhook: { provider: "hmac", secret: "S", signature_header: "x", delivery_header: "a b" } }),
    ["webhook", "delivery_header"],
    'expected the name of a header: letters, digits and !#$%&\'*+-.^_`|~, got "a b"',
  ],
  [
    "a param has no name",
    dagOf([], { params: { "": {} } }),
    ["params", ""],
    "expected a valid name (Too small: expected string to have >=1 characters), got {}",
  ],
  [
    "a key would be dropped in silence",
    dagOf([], { params: JSON.parse('{"__proto__":{"default":1}}') }),
    ["params", "__proto__"],
    'expected a key other than "__proto__", got "__proto__"',
  ],
];

const MEANING: Row[] = [
  [
    "two tasks have one id",
    dagOf([taskOf("a"), taskOf("b"), taskOf("a")]),
    ["tasks", 2, "task_id"],
    'expected task ids to be unique, got "a" again (first at tasks[0])',
  ],
  [
    "two groups have one id",
    dagOf([], { task_groups: [{ group_id: "g" }, { group_id: "g" }] }),
    ["task_groups", 1, "group_id"],
    'expected group ids to be unique, got "g" again (first at task_groups[0])',
  ],
  [
    "a group has the id of a task",
    dagOf([taskOf("a")], { task_groups: [{ group_id: "a" }] }),
    ["task_groups", 0, "group_id"],
    'expected an id that no task has, got "a", the id of tasks[0]',
  ],
  [
    "an upstream task is unknown",
    dagOf([taskOf("a"), taskOf("b", { upstream_task_ids: ["a", "c"] })]),
    ["tasks", 1, "upstream_task_ids", 1],
    'expected the id of a task of this DAG, got "c"',
  ],
  [
    "a group's id stands where a task's belongs",
    dagOf([taskOf("a", { upstream_task_ids: ["g"] })], { task_groups: [{ group_id: "g" }] }),
    ["tasks", 0, "upstream_task_ids", 0],
    'expected the id of a task of this DAG, got "g"',
  ],
  [
    "a task's group is unknown",
    dagOf([taskOf("a", { task_group_id: "g" })]),
    ["tasks", 0, "task_group_id"],
    'expected the id of a task group of this DAG, got "g"',
  ],
  [
    "a group's parent is unknown",
    dagOf([], { task_groups: [{ group_id: "g", parent_group_id: "h" }] }),
    ["task_groups", 0, "parent_group_id"],
    'expected the id of a task group of this DAG, got "h"',
  ],
  [
    "groups contain themselves",
    dagOf([], {
      task_groups: [
        { group_id: "g", parent_group_id: "h" },
        { group_id: "h", parent_group_id: "g" },
      ],
    }),
    ["task_groups", 0, "parent_group_id"],
    "expected groups not to contain themselves, got g -> h -> g",
  ],
  [
    "there are too many groups",
    dagOf([], { task_groups: Array.from({ length: 5001 }, (_, i) => ({ group_id: `g${i}` })) }),
    ["task_groups"],
    "expected at most 5000 task groups, got 5001",
  ],
  [
    "an input refers to an unknown task",
    dagOf([taskOf("a", { input: { rows: [1, xcom("b")] } })]),
    ["tasks", 0, "input", "rows", 1, "task_id"],
    'expected a reference to a task of this DAG, got "b"',
  ],
  [
    "an input refers to its own task",
    dagOf([taskOf("a", { input: xcom("a") })]),
    ["tasks", 0, "input", "task_id"],
    'expected a reference to another task, got "a", the task itself',
  ],
  [
    "an input has a reference of an unknown kind",
    dagOf([taskOf("a", { input: { x: { $ref: "conf" } } })]),
    ["tasks", 0, "input", "x"],
    'expected a reference (xcom with task_id, params, map, or run with field) or { "$literal": … } around data, got {"$ref":"conf"}',
  ],
  [
    "an input refers to an unknown field of the run",
    dagOf([taskOf("a", { input: { $ref: "run", field: "state" } })]),
    ["tasks", 0, "input"],
    'expected a reference (xcom with task_id, params, map, or run with field) or { "$literal": … } around data, got {"$ref":"run","field":"state"}',
  ],
  [
    "an input refers to an unknown param",
    dagOf([taskOf("a", { input: { $ref: "params", path: ["yaer"] } })], { params: { year: {}, month: {} } }),
    ["tasks", 0, "input", "path", 0],
    'expected a param of this DAG (year, month), got "yaer"',
  ],
  [
    "an expansion refers to an unknown task",
    dagOf([taskOf("a", { expand: { type: "expand_kwargs", source: { concat: [{ literal: [] }, xcom("b")] } } })]),
    ["tasks", 0, "expand", "source", "concat", 1, "task_id"],
    'expected a reference to a task of this DAG, got "b"',
  ],
  [
    "an expansion refers to its own task",
    dagOf([taskOf("a", { expand: { type: "expand", kwargs: { x: { zip: [xcom("a")] } } } })]),
    ["tasks", 0, "expand", "kwargs", "x", "zip", 0, "task_id"],
    'expected a reference to another task, got "a", the task itself',
  ],
  [
    "an expansion is over a task that returns nothing",
    dagOf([taskOf("e", { operator: "empty" }), { ...taskOf("a"), expand: over(xcom("e")) }]),
    ["tasks", 1, "expand", "kwargs", "x", "task_id"],
    'expected a task that returns a list, got "e", which is an empty one',
  ],
  [
    "a group's expansion refers to an unknown task",
    dagOf([], { task_groups: [{ group_id: "g", expand: over(xcom("b")) }] }),
    ["task_groups", 0, "expand", "kwargs", "x", "task_id"],
    'expected a reference to a task of this DAG, got "b"',
  ],
  [
    "a group's expansion refers to a task inside it",
    dagOf([taskOf("a", { task_group_id: "g" })], { task_groups: [{ group_id: "g", expand: over(xcom("a")) }] }),
    ["task_groups", 0, "expand", "kwargs", "x", "task_id"],
    'expected a reference to a task outside the group, got "a", which is inside',
  ],
  [
    "an element is referred to where there is none",
    dagOf([taskOf("a", { input: { x: { $ref: "map" } } })]),
    ["tasks", 0, "input", "x"],
    'expected "map" only in a task with an expansion or in a mapped group, got it in "a", which has neither',
  ],
  [
    "an element is referred to by a keyword that the expansion does not have",
    dagOf([{ ...taskOf("a"), input: { $ref: "map", path: ["y"] }, expand: over({ literal: [1] }) }]),
    ["tasks", 0, "input", "path", 0],
    'expected a keyword of the expansion (x), got "y"',
  ],
  [
    "a mapped task is inside a mapped group",
    dagOf([{ ...taskOf("a", { task_group_id: "inner" }), expand: over({ literal: [1] }) }], {
      task_groups: [
        { group_id: "outer", expand: over({ literal: [1] }) },
        { group_id: "inner", parent_group_id: "outer" },
      ],
    }),
    ["tasks", 0, "expand"],
    'expected no expansion inside the mapped group "outer", got one for the task "a"',
  ],
  [
    "mapped groups are nested",
    dagOf([], {
      task_groups: [
        { group_id: "outer", expand: over({ literal: [1] }) },
        { group_id: "between", parent_group_id: "outer" },
        { group_id: "inner", parent_group_id: "between", expand: over({ literal: [1] }) },
      ],
    }),
    ["task_groups", 2, "expand"],
    'expected no expansion inside the mapped group "outer" (mapped groups do not nest), got one for the group "inner"',
  ],
  [
    "a task maps over another's result and does not wait for it",
    dagOf([taskOf("list"), { ...taskOf("a", { trigger_rule: "always" }), expand: over(xcom("list")) }]),
    ["tasks", 1, "trigger_rule"],
    'expected a rule that waits for list, whose result the expansion needs, got "always"',
  ],
  [
    "a task in a group that is mapped over a result does not wait for it",
    dagOf([taskOf("list"), taskOf("a", { trigger_rule: "always", task_group_id: "g" })], {
      task_groups: [{ group_id: "g", expand: over(xcom("list")) }],
    }),
    ["tasks", 1, "trigger_rule"],
    'expected a rule that waits for list, whose result the expansion needs, got "always"',
  ],
  [
    "a literal is longer than max_map_length",
    dagOf([{ ...taskOf("a"), expand: over(numbers(1025)) }]),
    ["tasks", 0, "expand", "kwargs", "x"],
    "expected at most 1024 elements (max_map_length), got 1025",
  ],
  [
    "a literal is longer than the DAG's own max_map_length",
    dagOf([{ ...taskOf("a"), expand: over({ literal: { k: 1, l: 2 } }) }], { max_map_length: 1 }),
    ["tasks", 0, "expand", "kwargs", "x"],
    "expected at most 1 elements (max_map_length), got 2",
  ],
  [
    "literals are too many when they are combined",
    dagOf([{ ...taskOf("a"), expand: { type: "expand", kwargs: { x: numbers(40), y: numbers(50) } } }]),
    ["tasks", 0, "expand"],
    "expected at most 1024 elements in all (max_map_length), got 2000",
  ],
  [
    "keyword arguments are no objects",
    dagOf([taskOf("a", { expand: { type: "expand_kwargs", source: { literal: [{ x: 1 }, 7] } } })]),
    ["tasks", 0, "expand", "source", "literal", 1],
    "expected an object, got 7",
  ],
  [
    "keyword arguments are no list",
    dagOf([taskOf("a", { expand: { type: "expand_kwargs", source: { literal: { x: 1 } } } })]),
    ["tasks", 0, "expand", "source", "literal"],
    'expected a list of objects, got {"x":1}',
  ],
  [
    "literal expansions make more task instances than a run may have",
    dagOf(
      Array.from({ length: 3 }, (_, i) => ({ ...taskOf(`t${i}`), expand: over(numbers(7000)) })),
      { max_map_length: 7000 },
    ),
    ["tasks"],
    "expected at most 20000 task instances in a run, got 21000 by literal expansions",
  ],
  [
    "an expansion without elements, which still has its one unexpanded instance, is one too many",
    dagOf(
      [numbers(10_000), numbers(10_000), { literal: [] }].map((source, i) => ({
        ...taskOf(`t${i}`),
        expand: over(source),
      })),
      { max_map_length: 10_000 },
    ),
    ["tasks"],
    "expected at most 20000 task instances in a run, got 20001 by literal expansions",
  ],
  [
    "a fail_fast DAG has a rule that waits for failures",
    dagOf([taskOf("a", { trigger_rule: "one_failed" })], { fail_fast: true }),
    ["tasks", 0, "trigger_rule"],
    'expected all_success in a fail_fast DAG, got "one_failed"',
  ],
  [
    "a fail_fast DAG has the rule of teardowns for another task",
    dagOf([taskOf("a", { trigger_rule: "all_done_setup_success" })], { fail_fast: true }),
    ["tasks", 0, "trigger_rule"],
    'expected all_success in a fail_fast DAG, got "all_done_setup_success"',
  ],
  [
    "a fail_fast DAG has a teardown with another rule",
    dagOf([taskOf("a", { is_teardown: true, trigger_rule: "all_done" })], { fail_fast: true }),
    ["tasks", 0, "trigger_rule"],
    'expected all_success or all_done_setup_success in a fail_fast DAG, got "all_done"',
  ],
  [
    "a task after a setup has another rule than all_success",
    dagOf([taskOf("s", { is_setup: true }), taskOf("a", { upstream_task_ids: ["s"], trigger_rule: "all_done" })]),
    ["tasks", 1, "trigger_rule"],
    'expected all_success directly downstream of the setup "s", got "all_done"',
  ],
  [
    "a task that takes a setup's value has another rule than all_success",
    dagOf([taskOf("s", { is_setup: true }), taskOf("a", { input: xcom("s"), trigger_rule: "none_failed" })]),
    ["tasks", 1, "trigger_rule"],
    'expected all_success directly downstream of the setup "s", got "none_failed"',
  ],
  [
    "a task is a setup and a teardown",
    dagOf([taskOf("a", { is_setup: true, is_teardown: true })]),
    ["tasks", 0, "is_teardown"],
    "expected a setup or a teardown, got both",
  ],
  [
    "another task than a teardown would fail the run",
    dagOf([taskOf("a", { on_failure_fail_dagrun: true })]),
    ["tasks", 0, "on_failure_fail_dagrun"],
    "expected true only for a teardown, got true for a task that is none",
  ],
  [
    "another task than a short circuit says what it would skip",
    dagOf([taskOf("a", { operator: "branch", ignore_downstream_trigger_rules: false })]),
    ["tasks", 0, "ignore_downstream_trigger_rules"],
    'expected false only for the operator short_circuit, got false for "branch"',
  ],
  [
    "a param's schema is none",
    dagOf([], { params: { year: { schema: { type: "year" } } } }),
    ["params", "year", "schema", "type"],
    "expected a value that fits 'anyOf' of its schema (Instance does not match any subschemas.) at the schema of param 'year'.type, got \"year\"",
  ],
  [
    "a param's default does not fit its schema",
    dagOf([], { params: { year: { default: "x", schema: { type: "integer" } } } }),
    ["params", "year"],
    'expected type integer at the defaults of the params.year, got "x"',
  ],
  [
    "a plain HMAC webhook does not say where the signature is",
    dagOf([], { webhook: { provider: "hmac", secret: "S" } }),
    ["webhook", "signature_header"],
    "expected the name of the header with the signature for the provider hmac, got nothing",
  ],
  [
    "a webhook of a known provider names headers of its own",
    dagOf([], { webhook: { provider: "stripe", secret: "S", timestamp_header: "x-time" } }),
    ["webhook", "timestamp_header"],
    'expected this only for the provider hmac (stripe has its own headers), got "x-time"',
  ],
  [
    "a task waits for itself",
    dagOf([taskOf("a", { upstream_task_ids: ["a"] })]),
    ["tasks", 0, "upstream_task_ids"],
    "expected no cycle, got a -> a",
  ],
  [
    "tasks wait for each other",
    dagOf([
      taskOf("x"),
      taskOf("b", { upstream_task_ids: ["x", "a"] }),
      taskOf("a", { upstream_task_ids: ["c"] }),
      taskOf("c", { upstream_task_ids: ["b"] }),
      taskOf("after", { upstream_task_ids: ["c"] }),
    ]),
    ["tasks", 1, "upstream_task_ids"],
    "expected no cycle, got b -> c -> a -> b",
  ],
  [
    "references make a cycle",
    dagOf([
      taskOf("a", { input: { list: [xcom("c")] } }),
      taskOf("b", { upstream_task_ids: ["a"] }),
      { ...taskOf("c"), expand: over(xcom("b")) },
    ]),
    ["tasks", 0, "upstream_task_ids"],
    "expected no cycle, got a -> b -> c -> a",
  ],
  [
    "a mapped group feeds itself through a task outside",
    dagOf([taskOf("list", { input: xcom("member") }), taskOf("member", { task_group_id: "g" })], {
      task_groups: [{ group_id: "g", expand: over(xcom("list")) }],
    }),
    ["tasks", 0, "upstream_task_ids"],
    "expected no cycle, got list -> member -> list",
  ],
];

describe("a spec is refused, with the place and what was expected, if", () => {
  test.for([...SHAPE, ...MEANING])("%s", ([, input, path, message], { expect }) => {
    expect(errorsOf(input)).toEqual([{ path, message }]);
  });

  test("it is nested deeper than the stack can bear", ({ expect }) => {
    const nested: unknown = JSON.parse(
      `{"dag_id":"a","tasks":[{"task_id":"t","handler":"h","input":${"[".repeat(50_000)}${"]".repeat(50_000)}}]}`,
    );
    const [error, ...others] = errorsOf(nested);
    expect(others).toEqual([]);
    expect(error?.message).toBe("expected at most 100 levels of nesting, got more");
    expect(error?.path.slice(0, 4)).toEqual(["tasks", 0, "input", 0]);
  });

  test("an input is nested deeper than it could be resolved", ({ expect }) => {
    const nested: unknown = JSON.parse(`${"[".repeat(66)}${"]".repeat(66)}`);
    expect(errorsOf(dagOf([{ ...taskOf("a"), input: nested }])).map(({ message }) => message)).toEqual([
      "expected an input of at most 64 levels, got a deeper one",
    ]);
  });

  test("several things are wrong with it, and all of them are told", ({ expect }) => {
    const input = dagOf([
      taskOf("a", { upstream_task_ids: ["nobody"], is_setup: true }),
      taskOf("b", { input: xcom("a"), trigger_rule: "all_done" }),
      taskOf("c", { upstream_task_ids: ["d"] }),
      taskOf("d", { upstream_task_ids: ["c"] }),
      taskOf("e", { upstream_task_ids: ["f"] }),
      taskOf("f", { upstream_task_ids: ["e"] }),
    ]);
    expect(errorsOf(input).map(({ message }) => message)).toEqual([
      'expected the id of a task of this DAG, got "nobody"',
      'expected all_success directly downstream of the setup "a", got "all_done"',
      "expected no cycle, got c -> d -> c",
      "expected no cycle, got e -> f -> e",
    ]);
  });
});

describe("a spec is accepted with", () => {
  const accepted: [string, unknown][] = [
    ["no task at all", dagOf([])],
    ["ids in any script", dagOf([taskOf("čistit-řádky.1")])],
    ["all thirteen rules", dagOf(TRIGGER_RULES.map((rule) => taskOf(rule, { trigger_rule: rule })))],
    [
      "`always` beside a literal expansion",
      dagOf([{ ...taskOf("a", { trigger_rule: "always" }), expand: over({ literal: [1] }) }]),
    ],
    [
      "`always` beside an expansion over a param, which is known at once",
      dagOf([{ ...taskOf("a", { trigger_rule: "always" }), expand: over({ $ref: "params", path: ["xs"] }) }], {
        params: { xs: {} },
      }),
    ],
    [
      "data that looks like a reference, marked as data",
      dagOf([taskOf("a", { input: { $literal: { $ref: "nothing" } } })]),
    ],
    [
      "an expansion that multiplies to as much as is allowed",
      dagOf([{ ...taskOf("a"), expand: { type: "expand", kwargs: { x: numbers(32), y: numbers(32) } } }]),
    ],
    ["an empty expansion", dagOf([{ ...taskOf("a"), expand: over({ literal: [] }) }])],
    ["a teardown of a fail_fast DAG", dagOf([taskOf("a", { is_teardown: true })], { fail_fast: true })],
    [
      "a teardown directly after a setup",
      dagOf([taskOf("s", { is_setup: true }), taskOf("t", { is_teardown: true, upstream_task_ids: ["s"] })]),
    ],
    [
      "a plain HMAC webhook",
      dagOf([], { webhook: { provider: "hmac", secret: "S", signature_header: "x-signature" } }),
    ],
    [
      "an element of keyword arguments by any key",
      dagOf([
        taskOf("a", {
          input: { $ref: "map", path: ["any"] },
          expand: { type: "expand_kwargs", source: { literal: [{ any: 1 }] } },
        }),
      ]),
    ],
  ];

  test.for(accepted)("%s", ([, input], { expect }) => {
    expect(errorsOf(input)).toEqual([]);
  });
});

describe("the spec that comes back", () => {
  test("has every default filled in", ({ expect }) => {
    expect(validateDagSpec({ dag_id: "etl", tasks: [{ task_id: "a", handler: "h" }] })).toEqual({
      ok: true,
      spec: {
        dag_id: "etl",
        description: null,
        doc_md: null,
        tags: [],
        owner: "jobbers",
        is_paused_upon_creation: false,
        fail_fast: false,
        dagrun_timeout: null,
        max_map_length: 1024,
        schedule: null,
        timezone: "UTC",
        start_date: null,
        end_date: null,
        catchup: false,
        max_active_runs: 16,
        max_active_tasks: null,
        max_consecutive_failed_dag_runs: 0,
        params: {},
        task_groups: [],
        tasks: [
          {
            task_id: "a",
            handler: "h",
            operator: "task",
            input: null,
            upstream_task_ids: [],
            trigger_rule: "all_success",
            retries: 0,
            retry_delay: 300,
            retry_exponential_backoff: 0,
            max_retry_delay: null,
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
        ],
      },
    });
  });

  test("names each upstream task once, in order", ({ expect }) => {
    const input = dagOf([taskOf("b"), taskOf("a"), taskOf("c", { upstream_task_ids: ["b", "a", "b"] })]);
    expect(upstreamOf(input)).toEqual({ b: [], a: [], c: ["a", "b"] });
  });

  test("names the tasks that inputs and expansions refer to as upstream", ({ expect }) => {
    const input = dagOf([
      taskOf("explicit"),
      taskOf("whole"),
      taskOf("field"),
      taskOf("listed"),
      taskOf("zipped"),
      {
        ...taskOf("z", { upstream_task_ids: ["explicit"] }),
        input: { a: xcom("whole"), b: [{ c: { ...xcom("field"), key: "k", path: ["x", 0] } }] },
        expand: over({ zip: [xcom("zipped"), { concat: [{ literal: [1] }, xcom("listed")] }] }),
      },
    ]);
    expect(upstreamOf(input)["z"]).toEqual(["explicit", "field", "listed", "whole", "zipped"]);
  });

  test("puts what feeds a mapped group before its roots, those of groups inside included", ({ expect }) => {
    const input = dagOf(
      [
        taskOf("list"),
        taskOf("first", { task_group_id: "g" }),
        taskOf("inner", { task_group_id: "h" }),
        taskOf("second", { task_group_id: "g", upstream_task_ids: ["first"] }),
        taskOf("beside"),
      ],
      {
        task_groups: [
          { group_id: "g", expand: over(xcom("list")) },
          { group_id: "h", parent_group_id: "g" },
        ],
      },
    );
    expect(upstreamOf(input)).toEqual({ list: [], first: ["list"], inner: ["list"], second: ["first"], beside: [] });
  });

  test("gives a teardown that names no rule its own default", ({ expect }) => {
    const result = validateDagSpec(
      dagOf([
        taskOf("default", { is_teardown: true }),
        taskOf("named", { is_teardown: true, trigger_rule: "all_success" }),
        taskOf("other"),
      ]),
    );
    expect(result.ok && result.spec.tasks.map((task) => task.trigger_rule)).toEqual([
      "all_done_setup_success",
      "all_success",
      "all_success",
    ]);
  });

  test("is a fixed point: validating it again changes nothing", ({ expect }) => {
    fc.assert(
      fc.property(acyclicDag(), (input) => {
        const once = validateDagSpec(input);
        const twice = validateDagSpec(once.ok ? once.spec : null);
        expect(once.ok).toBe(true);
        expect(twice).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });
});

/** How one task refers to another. */
type EdgeKind = "upstream" | "input" | "expand";

interface Edge {
  from: number;
  to: number;
  kind: EdgeKind;
}

const edgeKind = fc.constantFrom<EdgeKind>("upstream", "input", "expand");

/** A DAG of tasks in shuffled order, whose edges all go from a lower rank to a higher one. */
function acyclicDag(): fc.Arbitrary<unknown> {
  return ranked().map(({ order, edges }) => build(order, edges));
}

function ranked(): fc.Arbitrary<{ order: number[]; edges: Edge[] }> {
  return fc.integer({ min: 2, max: 25 }).chain((size) => {
    const rank = fc.nat({ max: size - 1 });
    const edge = fc.tuple(rank, rank, edgeKind).filter(([a, b]) => a !== b);
    return fc.record({
      order: fc.shuffledSubarray(
        Array.from({ length: size }, (_, i) => i),
        { minLength: size },
      ),
      edges: fc
        .array(edge, { maxLength: size * 3 })
        .map((pairs) => pairs.map(([a, b, kind]) => ({ from: Math.min(a, b), to: Math.max(a, b), kind }))),
    });
  });
}

function build(order: readonly number[], edges: readonly Edge[]): unknown {
  const into = (rank: number, kind: EdgeKind): string[] =>
    edges.filter((edge) => edge.to === rank && edge.kind === kind).map((edge) => `t${edge.from}`);
  return dagOf(
    order.map((rank) => {
      const sources = into(rank, "expand");
      return {
        ...taskOf(`t${rank}`, { upstream_task_ids: into(rank, "upstream") }),
        input: { values: into(rank, "input").map(xcom) },
        ...(sources.length === 0 ? {} : { expand: over({ zip: sources.map(xcom) }) }),
      };
    }),
  );
}

describe("cycles", () => {
  test("a graph without one is always accepted", ({ expect }) => {
    fc.assert(
      fc.property(acyclicDag(), (input) => {
        expect(errorsOf(input)).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("a graph with one is always refused, and the path that is shown is one", ({ expect }) => {
    const withCycle = ranked().chain(({ order, edges }) =>
      fc
        .tuple(fc.shuffledSubarray(order, { minLength: 2, maxLength: Math.min(order.length, 6) }), edgeKind)
        .map(([members, kind]) => ({
          order,
          edges: [
            ...edges,
            ...members.map((from, place) => ({ from, to: members[(place + 1) % members.length] ?? from, kind })),
          ],
        })),
    );
    fc.assert(
      fc.property(withCycle, ({ order, edges }) => {
        const errors = errorsOf(build(order, edges));
        const known = new Set(edges.map(({ from, to }) => `t${from} -> t${to}`));
        expect(errors.length).toBeGreaterThan(0);
        for (const { message } of errors) {
          const path = message.replace("expected no cycle, got ", "").split(" -> ");
          expect(path.length).toBeGreaterThan(2);
          expect(path.at(-1)).toBe(path[0]);
          expect(path.slice(1).every((id, step) => known.has(`${path[step]} -> ${id}`))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test("a chain of as many tasks as a DAG may have needs no deep stack", ({ expect }) => {
    const chain = Array.from({ length: LIMITS.tasksPerDag }, (_, i) =>
      taskOf(`t${i}`, { upstream_task_ids: [`t${(i + LIMITS.tasksPerDag - 1) % LIMITS.tasksPerDag}`] }),
    );
    const [error] = errorsOf(dagOf(chain));
    expect(error?.message.startsWith("expected no cycle, got t0 -> t1 -> t2 -> ")).toBe(true);
    expect(errorsOf(dagOf([taskOf("t0"), ...chain.slice(1)]))).toEqual([]);
  });
});

describe("the documents", () => {
  const page = readFileSync("docs/dag-spec.md", "utf8");
  const schema = JSON.parse(readFileSync("docs/dag-spec.schema.json", "utf8")) as Schema;

  /** Says whether the JSON Schema in the documents accepts a spec. */
  function fitsSchema(spec: unknown): boolean {
    return new Validator(schema, "2020-12").validate(JSON.parse(JSON.stringify(spec))).valid;
  }

  test("show a spec that is one, and expansions that are some", ({ expect }) => {
    const [spec = "", expansions = ""] = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, text]) => text ?? "");
    expect(upstreamOf(JSON.parse(spec))).toEqual({ extract: [], clean: ["extract"], load: ["clean"] });
    const parsed = expansions
      .trim()
      .split(/\n(?=\{)/)
      .map((text) => expandSchema.safeParse(JSON.parse(text)).success);
    expect(parsed).toEqual([true, true]);
  });

  test("have a JSON Schema that accepts the example DAGs and every spec that is accepted", ({ expect }) => {
    for (const { spec } of registry.dags.values()) {
      expect(fitsSchema(spec)).toBe(true);
    }
    fc.assert(
      fc.property(acyclicDag(), (input) => {
        expect(fitsSchema(input)).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  // JSON cannot say what these two are about.
  const inSchema = SHAPE.filter(
    ([name]) => name !== "an input is no JSON" && name !== "a key would be dropped in silence",
  );

  test.for(inSchema)("have a JSON Schema that refuses it too if %s", ([, input], { expect }) => {
    expect(fitsSchema(input)).toBe(false);
  });
});

describe("a schedule", () => {
  const scheduled = (fields: object) =>
    validateDagSpec({ dag_id: "d", tasks: [{ task_id: "a", handler: "h" }], schedule: "@daily", ...fields });
  const cases: [string, object, (string | number)[], string][] = [
    ["that is no cron expression", { schedule: "every day" }, ["schedule"], "expected"],
    ["that can never come", { schedule: "0 0 30 2 *" }, ["schedule"], "expected"],
    ["of another kind of value", { schedule: 5 }, ["schedule"], "expected null, a cron expression"],
    ["in a zone that is not", { timezone: "Mars/Olympus" }, ["timezone"], "expected"],
    ["with a start that is no date", { start_date: "yesterday" }, ["start_date"], "expected an ISO 8601"],
    ["with a start without a zone", { start_date: "2026-01-01T00:00:00" }, ["start_date"], "expected an ISO 8601"],
    [
      "that ends before it starts",
      { start_date: "2026-02-01T00:00:00Z", end_date: "2026-01-01T00:00:00Z" },
      ["end_date"],
      "not before start_date",
    ],
    ["without room for a run", { max_active_runs: 0 }, ["max_active_runs"], "at least 1"],
    [
      "that is continuous, with several runs at a time",
      { schedule: "@continuous", start_date: "2026-01-01T00:00:00Z" },
      ["max_active_runs"],
      "expected 1",
    ],
    ["that is continuous, without a start", { schedule: "@continuous", max_active_runs: 1 }, ["start_date"], "a date"],
    ["whose params need a value", { params: { year: {} } }, ["params", "year"], "expected a default"],
  ];
  for (const [what, fields, path, message] of cases) {
    test(`${what} is refused with its place`, ({ expect }) => {
      expect(scheduled(fields)).toMatchObject({
        ok: false,
        errors: expect.arrayContaining([{ path, message: expect.stringContaining(message) }]),
      });
    });
  }

  test("in short becomes an object, which stays as it is", ({ expect }) => {
    const first = scheduled({});
    expect(first).toMatchObject({ ok: true, spec: { schedule: { type: "cron_trigger", expressions: ["0 0 * * *"] } } });
    expect(first.ok && validateDagSpec(first.spec)).toEqual(first);
  });
});

describe("an id that no URL could name", () => {
  for (const id of [".", ".."]) {
    test(`${id} is refused, of a DAG and of a task`, ({ expect }) => {
      expect(validateDagSpec({ dag_id: id, tasks: [] }).ok).toBe(false);
      expect(validateDagSpec({ dag_id: "d", tasks: [{ task_id: id, handler: "h" }] }).ok).toBe(false);
      expect(validateDagSpec({ dag_id: `${id}.`.repeat(2), tasks: [] }).ok).toBe(true);
    });
  }
});
