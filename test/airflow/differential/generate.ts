/**
 * Random scenarios: DAGs of 3 to 14 tasks with all that may differ in the running, and what users do to their runs.
 *
 * @module
 */
import { TRIGGER_RULES } from "../../../src/engine/spec.ts";
import type { DagSpecInput, TriggerRule } from "../../../src/engine/spec.ts";
import { makeActions } from "./generate-actions.ts";
import { Dice } from "./dice.ts";
import { makeOutcomes } from "./generate-outcomes.ts";
import type { Scenario } from "./scenario.ts";

export type TaskInput = DagSpecInput["tasks"][number];
export type GroupInput = NonNullable<DagSpecInput["task_groups"]>[number];

/** A DAG as it grows. Edges lead from earlier tasks to later ones. */
export interface Draft {
  dice: Dice;
  tasks: TaskInput[];
  groups: GroupInput[];
  /** Tasks that return lists. */
  producers: Set<string>;
  failFast: boolean;
}

const LETTERS = "abcdefghijklmnop";
/** Rules that go ahead before everything upstream is over. */
const EAGER_RULES: ReadonlySet<TriggerRule> = new Set(["one_success", "one_failed", "one_done", "always"]);
/** Runs of a yearly schedule: nothing becomes due while the test runs. */
const YEARS = 4;

/** The scenario of a seed. `dagId` names its DAG. */
export function makeScenario(seed: number, dagId: string): Scenario {
  const dice = new Dice(seed);
  const draft: Draft = { dice, tasks: [], groups: [], producers: new Set(), failFast: dice.chance(0.1) };
  const size = dice.int(3, 12);
  const mapping = dice.chance(0.5) ? 0.35 : 0;
  for (let position = 0; position < size; position += 1) {
    addTask(draft, position, mapping);
  }
  if (dice.chance(0.3)) {
    addGroup(draft);
  }
  if (dice.chance(0.25)) {
    addMappedGroup(draft);
  }
  for (let pairs = dice.chance(0.3) ? dice.int(1, 2) : 0; pairs > 0; pairs -= 1) {
    addSetup(draft);
  }
  for (const task of draft.tasks) {
    // A task that waits for its turn is not dead, and one that failed is tried again at once.
    Object.assign(task, { heartrate: 3600, retry_delay: 0 });
  }
  const spec: DagSpecInput = { dag_id: dagId, tasks: draft.tasks, task_groups: draft.groups };
  if (draft.failFast) {
    spec.fail_fast = true;
  }
  const outcomes = makeOutcomes(draft);
  const runs = makeRuns(draft, spec);
  return { spec, outcomes, salt: String(seed), ...runs, phases: [{ actions: [] }, ...makeActions(draft, runs)] };
}

function addTask(draft: Draft, position: number, mapping: number): void {
  const { dice, tasks } = draft;
  const upstream = dice.some(
    tasks.map((task) => task.task_id),
    Number(dice.weighted({ 0: 15, 1: 45, 2: 28, 3: 12 })),
  );
  const task: TaskInput = {
    task_id: LETTERS[position] ?? `t${position}`,
    handler: "task",
    upstream_task_ids: upstream,
  };
  const operator = dice.weighted({ task: 72, branch: 9, short_circuit: 8, empty: 7, latest_only: 4 });
  if (operator !== "task") {
    task.operator = operator;
    task.handler = operator;
  }
  if (operator === "short_circuit" && dice.chance(0.35)) {
    task.ignore_downstream_trigger_rules = false;
  }
  if (!draft.failFast && dice.chance(0.5)) {
    task.trigger_rule = dice.pick(TRIGGER_RULES);
  }
  if (operator !== "empty" && operator !== "latest_only" && dice.chance(0.3)) {
    task.retries = dice.int(1, 2);
  }
  const role = operator === "task" ? dice.next() : 1;
  if (role < mapping) {
    addExpansion(draft, task);
  } else if (role < mapping * 1.7) {
    draft.producers.add(task.task_id);
  }
  tasks.push(task);
}

function addExpansion(draft: Draft, task: TaskInput): void {
  const { dice, tasks } = draft;
  const sources = tasks.filter((one) => draft.producers.has(one.task_id) || one.expand !== undefined);
  const literal = { literal: Array.from({ length: dice.int(0, 3) }, (_, element) => element) };
  const source =
    sources.length > 0 && dice.chance(0.8) ? { $ref: "xcom" as const, task_id: dice.pick(sources).task_id } : literal;
  task.expand = { type: "expand", kwargs: { x: source } };
  if (dice.chance(0.1)) {
    task.expand.kwargs["y"] = { literal: [1, 2] };
  }
  keepRuleLegal(draft, task);
}

/** `always` cannot wait for a list. What goes ahead before the list is known is a known difference, so there is little of it. */
function keepRuleLegal({ dice }: Draft, task: TaskInput): void {
  const rule = task.trigger_rule ?? "all_success";
  if (EAGER_RULES.has(rule) && (rule === "always" || !dice.chance(0.1))) {
    task.trigger_rule = "all_done";
  }
}

/** Puts a stretch of tasks into a group, maybe with one inside it. */
function addGroup({ dice, tasks, groups }: Draft): void {
  const first = dice.int(0, tasks.length - 2);
  const members = tasks.slice(first, first + dice.int(2, 4));
  groups.push({ group_id: "group" });
  const inner = dice.chance(0.3) ? dice.int(1, members.length - 1) : members.length;
  if (inner < members.length) {
    groups.push({ group_id: "inner", parent_group_id: "group" });
  }
  members.forEach((task, place) => {
    task.task_group_id = place < inner ? "group" : "inner";
  });
}

/** Appends a group that is mapped over the list of a task before it, or over a literal one. */
function addMappedGroup(draft: Draft): void {
  const { dice, tasks, groups } = draft;
  const plain = tasks.filter((task) => (task.operator ?? "task") === "task" && task.expand === undefined);
  const feeding = plain.length > 0 && dice.chance(0.8) ? dice.pick(plain) : null;
  if (feeding !== null) {
    draft.producers.add(feeding.task_id);
  }
  const outside = tasks.map((task) => task.task_id);
  groups.push({
    group_id: "mapped",
    expand: {
      type: "expand",
      kwargs: { x: feeding === null ? { literal: [1, 2] } : { $ref: "xcom", task_id: feeding.task_id } },
    },
  });
  const members: TaskInput[] = [];
  for (let count = dice.int(1, 3); count > 0; count -= 1) {
    const inside = members.map((task) => task.task_id);
    const upstream = [...dice.some(inside, dice.int(0, 2)), ...dice.some(outside, dice.chance(0.25) ? 1 : 0)];
    const task: TaskInput = {
      task_id: `m${members.length}`,
      handler: "task",
      task_group_id: "mapped",
      upstream_task_ids: upstream,
    };
    const operator = dice.weighted({ task: 94, empty: 3, branch: 1.5, short_circuit: 1.5 });
    if (operator !== "task") {
      task.operator = operator;
      task.handler = operator;
    }
    if (!draft.failFast && dice.chance(0.4)) {
      task.trigger_rule = dice.pick(TRIGGER_RULES);
      // Only those that follow directly on what feeds the group go ahead of the list.
      if (inside.every((id) => !upstream.includes(id)) || task.trigger_rule === "always") {
        keepRuleLegal(draft, task);
      }
    }
    if (dice.chance(0.2) && operator === "task") {
      task.retries = 1;
    }
    members.push(task);
    tasks.push(task);
  }
  if (dice.chance(0.7)) {
    const upstream_task_ids = dice.some(
      members.map((task) => task.task_id),
      dice.int(1, 2),
    );
    const task: TaskInput = { task_id: "after", handler: "task", upstream_task_ids };
    if (!draft.failFast && dice.chance(0.6)) {
      task.trigger_rule = dice.pick(TRIGGER_RULES);
    }
    tasks.push(task);
  }
}

/** Makes a task a setup, and mostly appends a teardown for it; or makes a lone teardown. */
function addSetup(draft: Draft): void {
  const { dice, tasks } = draft;
  const able = tasks.filter(
    (task) =>
      (task.operator ?? "task") === "task" &&
      task.expand === undefined &&
      !draft.producers.has(task.task_id) &&
      task.is_setup === undefined &&
      task.is_teardown === undefined &&
      tasks.every((one) => one.task_id !== teardownOf(task)),
  );
  if (able.length === 0) {
    return;
  }
  const setup = dice.pick(able);
  const alone = dice.chance(0.1);
  if (!alone) {
    setup.is_setup = true;
    for (const task of tasks.filter((one) => one.upstream_task_ids?.includes(setup.task_id) === true)) {
      if (task.is_teardown !== true) {
        delete task.trigger_rule;
      }
    }
  }
  if (!alone && dice.chance(0.15)) {
    return;
  }
  const others = tasks.filter((task) => task !== setup && task.task_group_id !== "mapped");
  const below = others.filter((task) => tasks.indexOf(task) > tasks.indexOf(setup));
  const work = dice.some(below, dice.int(1, 3)).map((task) => task.task_id);
  const teardown: TaskInput = {
    task_id: teardownOf(setup),
    handler: "task",
    upstream_task_ids: alone ? work : [setup.task_id, ...work],
    is_teardown: true,
  };
  if (dice.chance(0.25)) {
    teardown.on_failure_fail_dagrun = true;
  }
  tasks.push(teardown);
  if (dice.chance(0.15)) {
    tasks.push({ task_id: `past_${setup.task_id}`, handler: "task", upstream_task_ids: [teardown.task_id] });
  }
}

function teardownOf(setup: TaskInput): string {
  return `teardown_${setup.task_id}`;
}

function makeRuns({ dice }: Draft, spec: DagSpecInput): Pick<Scenario, "runs" | "scheduledRuns"> {
  const kind = dice.weighted({ one: 72, dated: 14, scheduled: 14 });
  if (kind === "scheduled") {
    spec.schedule = "@yearly";
    spec.catchup = true;
    spec.start_date = `${new Date().getUTCFullYear() - YEARS + 1}-01-01T00:00:00Z`;
    return { runs: [], scheduledRuns: YEARS };
  }
  const dates = kind === "one" ? [null] : [1, 2, 3].map((day) => `2026-01-0${day}T00:00:00Z`);
  return {
    runs: dates.map((logical_date, place) => ({ dag_run_id: `run_${place}`, logical_date })),
    scheduledRuns: 0,
  };
}
