/**
 * Random DAGs that a validator accepts: sketches of numbers, so that a failing one shrinks well, and what they stand for.
 *
 * @module
 */
import fc from "fast-check";
import { feedingTasks } from "../../../src/engine/expansion.ts";
import { TRIGGER_RULES, type DagSpec, type DagSpecInput, type ExpandSpec } from "../../../src/engine/spec.ts";
import { validateDagSpec } from "../../../src/engine/validate-spec.ts";

type TaskInput = DagSpecInput["tasks"][number];

/** Numbers of one task; see `taskOf`. */
interface TaskSketch {
  upstream: number;
  thin: number;
  rule: number;
  kind: number;
  map: number;
  from: number;
  length: number;
  group: number;
  tries: number;
  past: number;
}

interface DagSketch {
  tasks: TaskSketch[];
  /** Which earlier task feeds the group that is mapped at run time. */
  feeder: number;
  literal: number;
  failFast: number;
  timeout: number;
  schedule: number;
}

const LITERALS: ExpandSpec[] = [0, 1, 2, 3].map((length) => ({
  type: "expand",
  kwargs: { x: { literal: Array.from({ length }, (_, at) => at) } },
}));

const KINDS: readonly Partial<TaskInput>[] = [
  {},
  {},
  {},
  {},
  {},
  {},
  { operator: "branch" },
  { operator: "branch" },
  { operator: "short_circuit" },
  { operator: "short_circuit", ignore_downstream_trigger_rules: false },
  { operator: "empty" },
  { operator: "latest_only" },
  { is_setup: true },
  { is_setup: true },
  { is_teardown: true },
  { is_teardown: true, on_failure_fail_dagrun: true },
];

const sketch: fc.Arbitrary<DagSketch> = fc.record({
  tasks: fc.array(
    fc.record({
      upstream: fc.nat(0xfff),
      thin: fc.nat(0xfff),
      rule: fc.nat(2 * TRIGGER_RULES.length),
      kind: fc.nat(KINDS.length - 1),
      map: fc.nat(9),
      from: fc.nat(11),
      length: fc.nat(3),
      group: fc.nat(9),
      tries: fc.nat(8),
      past: fc.nat(11),
    }),
    { minLength: 2, maxLength: 12, size: "max" },
  ),
  feeder: fc.nat(11),
  literal: fc.nat(3),
  failFast: fc.nat(5),
  timeout: fc.nat(5),
  schedule: fc.nat(2),
});

const SCHEDULES: readonly DagSpecInput["schedule"][] = [
  null,
  { type: "delta_data_interval", seconds: 40 },
  { type: "delta_trigger", seconds: 40 },
];

/** A canonical spec of 2 to 12 tasks. */
export const dagSpecs: fc.Arbitrary<DagSpec> = sketch.map((numbers) => {
  const result = validateDagSpec(dagOf(numbers));
  if (!result.ok) {
    throw new Error(`the generator made a spec that is refused: ${JSON.stringify(result.errors)}`);
  }
  return result.spec;
});

function dagOf({ tasks: sketches, feeder, literal, failFast, timeout, schedule }: DagSketch): DagSpecInput {
  const failsFast = failFast === 0;
  const tasks: TaskInput[] = [];
  // Only tasks behind the feeder may stand in the group it feeds.
  const canFeed = (position: number): boolean =>
    position < sketches.length && kindOf(sketches[position]).operator !== "empty";
  const groupFeeder = canFeed(feeder) ? feeder : sketches.length;
  for (const [position, numbers] of sketches.entries()) {
    tasks.push(taskOf(numbers, position, tasks, groupFeeder, failsFast));
  }
  const used = new Set(tasks.map((task) => task.task_group_id));
  const groups: DagSpecInput["task_groups"] = [
    { group_id: "literal", expand: LITERALS[literal] },
    { group_id: "inner", parent_group_id: "literal" },
    { group_id: "plain" },
  ];
  if (used.has("runtime")) {
    groups.push({ group_id: "runtime", expand: runtime([`t${groupFeeder}`]) });
  }
  return {
    dag_id: "random",
    fail_fast: failsFast,
    schedule: SCHEDULES[schedule],
    dagrun_timeout: timeout === 0 ? 60 : null,
    task_groups: groups,
    tasks,
  };
}

function kindOf(numbers: TaskSketch | undefined): Partial<TaskInput> {
  return KINDS[numbers?.kind ?? 0] ?? {};
}

function taskOf(
  numbers: TaskSketch,
  position: number,
  before: readonly TaskInput[],
  groupFeeder: number,
  failsFast: boolean,
): TaskInput {
  const kind = kindOf(numbers);
  // Two masks give a quarter of the edges each bit could; the last bit ties most tasks to a near one.
  const upstream = before
    .filter((_, at) => (numbers.upstream & numbers.thin & (1 << at)) !== 0)
    .map((task) => task.task_id);
  const nearest = before[Math.max(0, position - 1 - (numbers.from % 3))];
  if (upstream.length === 0 && nearest !== undefined && numbers.thin % 4 !== 0) {
    upstream.push(nearest.task_id);
  }
  const group = groupOf(numbers.group, position, groupFeeder);
  const inMappedGroup = group !== undefined && group !== "plain";
  const expand = inMappedGroup ? undefined : expansion(numbers, before);
  const byLength = expand !== undefined || group === "runtime";
  const feeders = group === "runtime" ? [`t${groupFeeder}`] : expand === undefined ? [] : feedingTasks(expand);
  const behindSetup = [...upstream, ...feeders].some(
    (id) => before.find((task) => task.task_id === id)?.is_setup === true,
  );
  let rule = TRIGGER_RULES[numbers.rule] ?? (kind.is_teardown === true ? "all_done_setup_success" : "all_success");
  if (failsFast || (behindSetup && kind.is_teardown !== true) || (rule === "always" && byLength)) {
    rule = kind.is_teardown === true ? "all_done_setup_success" : "all_success";
  }
  return {
    task_id: `t${position}`,
    handler: "any",
    ...kind,
    ...(expand === undefined ? {} : { expand }),
    ...(group === undefined ? {} : { task_group_id: group }),
    upstream_task_ids: upstream,
    trigger_rule: rule,
    retries: Math.max(0, (numbers.tries % 5) - 2),
    retry_delay: [0, 7, 30][numbers.tries % 3] ?? 0,
    retry_exponential_backoff: numbers.tries > 6 ? 2 : 0,
    depends_on_past: numbers.past === 0,
    wait_for_downstream: numbers.past === 1,
  };
}

function groupOf(number: number, position: number, groupFeeder: number): string | undefined {
  const group = [
    undefined,
    undefined,
    undefined,
    undefined,
    "literal",
    "literal",
    "inner",
    "plain",
    "runtime",
    "runtime",
  ][number];
  return group === "runtime" && position <= groupFeeder ? undefined : group;
}

function expansion({ map, from, length }: TaskSketch, before: readonly TaskInput[]): ExpandSpec | undefined {
  const feeders = before.filter((task) => task.operator !== "empty").map((task) => task.task_id);
  const feeder = feeders[from % Math.max(1, feeders.length)];
  const literal = LITERALS[length];
  if (map > 3 || feeder === undefined || literal === undefined) {
    return map === 0 ? literal : undefined;
  }
  return [
    literal,
    runtime([feeder]),
    runtime([feeder, feeders[length % feeders.length] ?? feeder]),
    zipped(feeder, length),
  ][map];
}

function runtime(feeders: readonly string[]): ExpandSpec {
  const kwargs = feeders.map((task_id, at) => [`k${at}`, { $ref: "xcom" as const, task_id }]);
  return { type: "expand", kwargs: Object.fromEntries(kwargs) as Record<string, { $ref: "xcom"; task_id: string }> };
}

function zipped(feeder: string, length: number): ExpandSpec {
  const literal = Array.from({ length }, (_, at) => at);
  return { type: "expand", kwargs: { pair: { zip: [{ $ref: "xcom", task_id: feeder }, { literal }], fillvalue: 0 } } };
}
