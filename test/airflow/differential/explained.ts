/**
 * Differences that are meant: each with what it looks like, and why Jobbers differs. `docs/airflow-differences.md` has them too.
 *
 * @module
 */
import type { TriggerRule } from "../../../src/engine/spec.ts";
import type { Difference } from "./compare.ts";
import type { GroupInput, TaskInput } from "./generate.ts";
import type { Scenario } from "./scenario.ts";

/** A difference that is meant. */
export interface Explanation {
  name: string;
  reason: string;
  /** Whether it accounts for one of the differences that a scenario shows. */
  covers: (scenario: Scenario, one: Difference, found: readonly Difference[]) => boolean;
  /** What comes in later phases follows from it: the two sides go on from different states. */
  hasConsequences: boolean;
}

/** Rules that may be met before all that is upstream is over. */
const EARLY_RULES: ReadonlySet<TriggerRule> = new Set(["one_success", "one_failed", "one_done"]);

const STARTS_EARLY: ReadonlySet<TriggerRule> = new Set([...EARLY_RULES, "always"]);

export const EXPLANATIONS: readonly Explanation[] = [
  {
    name: "a rule that is met early waits for its list",
    reason: "Airflow makes a mapped task upstream_failed whose rule is met before its list is known",
    covers: (scenario, one, found) => isBelowOrRun(scenario, one, failedEarlyInAirflow(scenario, found, one.phase)),
    hasConsequences: true,
  },
  {
    name: "a branch or a short circuit in a mapped group skips in its element",
    reason: "in Airflow it skips nothing there",
    covers: (scenario, one, found) => isBelowOrRun(scenario, one, skippedInElement(scenario, found, one.phase)),
    hasConsequences: true,
  },
  {
    name: "a skip reaches instances that have expanded",
    reason:
      "in Airflow it finds only the one that is not expanded; those that are obey their rule, or what they got before",
    covers: (scenario, one, found) => isBelowOrRun(scenario, one, skippedInOneAlone(scenario, found, one.phase)),
    hasConsequences: true,
  },
  {
    name: "what runs when a skip comes goes on",
    reason:
      "Airflow lets it, unless nothing else can start: then it makes the one that runs skipped, and the run failed",
    covers: (scenario, one, found) => isBelowOrRun(scenario, one, skippedWhileRunning(scenario, found, one.phase)),
    hasConsequences: true,
  },
  {
    name: "fail_fast leaves what was removed",
    reason: "Airflow makes it skipped",
    covers: ({ spec }, one) =>
      spec.fail_fast === true && one.airflow.startsWith("skipped,") && one.jobbers.startsWith("removed,"),
    hasConsequences: false,
  },
  {
    name: "a clear of an element of a task that has not expanded passes over that element",
    reason: "in Airflow it is a 500, and clears nothing at all",
    covers: (scenario, one, found) =>
      found.some((other) => other.phase === one.phase && isFailedClearOfElement(scenario, other)),
    hasConsequences: true,
  },
  {
    name: "the tasks of a mapped group expand together",
    reason:
      "where Airflow has the one unexpanded instance of a task, there is one for each element here, in the same state",
    covers: ({ spec }, one, found) => {
      const taskId = taskOf(one);
      const task = spec.tasks.find((each) => each.task_id === taskId);
      if (task === undefined || mappedGroupOf(spec.task_groups ?? [], task) === undefined) {
        return false;
      }
      const rows = found.filter(
        (other) => other.phase === one.phase && runOf(other) === runOf(one) && taskOf(other) === taskId,
      );
      const unexpanded = rows.find((row) => row.jobbers === "absent" && !row.where.endsWith("]"));
      const elements = rows.filter((row) => row.where.endsWith("]"));
      return (
        unexpanded !== undefined &&
        elements.length > 0 &&
        elements.every((row) => row.airflow === "absent" && row.jobbers === unexpanded.airflow)
      );
    },
    hasConsequences: false,
  },
];

/** The answer to a clear that names an element, a 500 in Airflow. */
function isFailedClearOfElement({ phases }: Scenario, { phase, where, airflow, jobbers }: Difference): boolean {
  const action = phases[phase]?.actions[Number(/^action (\d+)$/.exec(where)?.[1] ?? -1)];
  const names = action?.body["task_ids"];
  return airflow === "500" && jobbers === "200" && Array.isArray(names) && names.some(Array.isArray);
}

/** What is left of the differences of a scenario, and the names of the explanations for the others. */
export function explain(scenario: Scenario, found: readonly Difference[]): { left: Difference[]; names: string[] } {
  const names = new Set<string>();
  let isMeantFrom = Number.POSITIVE_INFINITY;
  for (const one of found) {
    const explanation = EXPLANATIONS.find(({ covers }) => covers(scenario, one, found));
    if (explanation !== undefined) {
      names.add(explanation.name);
      isMeantFrom = explanation.hasConsequences ? Math.min(isMeantFrom, one.phase) : isMeantFrom;
    }
  }
  const left = found.filter(
    (one) => one.phase <= isMeantFrom && !EXPLANATIONS.some(({ covers }) => covers(scenario, one, found)),
  );
  // What differs later follows from what differs first.
  const first = Math.min(...left.map(({ phase }) => phase));
  return { left: left.filter(({ phase }) => phase === first), names: [...names] };
}

/** Id of the task whose instance differs; null if it is a run, an action or the DAG that does. */
function taskOf({ where }: Difference): string | null {
  return /: ([^[]+)(?:\[\d+\])?$/.exec(where)?.[1] ?? null;
}

function runOf({ where }: Difference): string {
  return where.replace(/: [^:]*$/, "");
}

function mappedGroupOf(groups: readonly GroupInput[], task: TaskInput): GroupInput | undefined {
  return groups.find((group) => group.group_id === task.task_group_id && group.expand !== undefined);
}

function isMappedAtRunTime(groups: readonly GroupInput[], task: TaskInput): boolean {
  const expand = task.expand ?? mappedGroupOf(groups, task)?.expand;
  return JSON.stringify(expand ?? null).includes('"$ref":"xcom"');
}

/** Whether it is of one of these tasks, of what is below them, or of a run. */
function isBelowOrRun({ spec }: Scenario, one: Difference, tasks: readonly string[]): boolean {
  const taskId = taskOf(one);
  const reached = tasks.flatMap((id) => [id, ...below(spec.tasks, id)]);
  return tasks.length > 0 && (taskId === null || reached.includes(taskId));
}

/** Mapped tasks whose rule may be met before their list is known, and that Airflow alone has as upstream_failed. */
function failedEarlyInAirflow({ spec }: Scenario, found: readonly Difference[], phase: number): string[] {
  const groups = spec.task_groups ?? [];
  return spec.tasks
    .filter((task) => EARLY_RULES.has(task.trigger_rule ?? "all_success") && isMappedAtRunTime(groups, task))
    .map(({ task_id: id }) => id)
    .filter((id) =>
      found.some((one) => one.phase === phase && taskOf(one) === id && isIn("upstream_failed", one, "airflow")),
    );
}

/** Tasks that a branch or a short circuit in a mapped group can skip, and that are skipped here alone. */
function skippedInElement({ spec }: Scenario, found: readonly Difference[], phase: number): string[] {
  const groups = spec.task_groups ?? [];
  return spec.tasks
    .filter(({ operator }) => operator === "branch" || operator === "short_circuit")
    .filter((task) => mappedGroupOf(groups, task) !== undefined)
    .flatMap(({ task_id: id }) => [...below(spec.tasks, id)])
    .filter((id) => found.some((one) => one.phase === phase && taskOf(one) === id && isIn("skipped", one, "jobbers")));
}

/** Whether a task instance is in a state on one side alone. */
function isIn(state: string, one: Difference, side: "airflow" | "jobbers"): boolean {
  const other = side === "airflow" ? "jobbers" : "airflow";
  return one[side].startsWith(`${state},`) && !one[other].startsWith(`${state},`);
}

/** Mapped tasks that a branch, a short circuit or `latest_only` can skip, and that are skipped on one side alone. */
function skippedInOneAlone({ spec }: Scenario, found: readonly Difference[], phase: number): string[] {
  const groups = spec.task_groups ?? [];
  const reached = spec.tasks
    .filter(({ operator }) => operator === "branch" || operator === "short_circuit" || operator === "latest_only")
    .flatMap((task) =>
      task.operator === "short_circuit" && task.ignore_downstream_trigger_rules !== false
        ? [...below(spec.tasks, task.task_id)]
        : directlyBelow(spec.tasks, task.task_id),
    );
  return spec.tasks
    .filter((task) => task.expand !== undefined || mappedGroupOf(groups, task) !== undefined)
    .map(({ task_id: id }) => id)
    .filter((id) => reached.includes(id) && found.some((one) => isSkippedInOneAlone(one, id, phase)));
}

function isSkippedInOneAlone(one: Difference, taskId: string, phase: number): boolean {
  const skipped = [one.airflow, one.jobbers].filter((what) => what.startsWith("skipped,"));
  return one.phase === phase && taskOf(one) === taskId && skipped.length === 1;
}

/** Tasks that may start before a branch or short circuit right above them, and that Airflow has as skipped although they ran. */
function skippedWhileRunning({ spec }: Scenario, found: readonly Difference[], phase: number): string[] {
  const skipping = spec.tasks.filter(({ operator }) => operator === "branch" || operator === "short_circuit");
  const reached = new Set(skipping.flatMap(({ task_id: id }) => directlyBelow(spec.tasks, id)));
  return spec.tasks
    .filter(({ task_id: id, trigger_rule: rule = "all_success" }) => reached.has(id) && STARTS_EARLY.has(rule))
    .map(({ task_id: id }) => id)
    .filter((id) =>
      found.some(
        (one) =>
          one.phase === phase &&
          taskOf(one) === id &&
          /^skipped, try [1-9]/.test(one.airflow) &&
          !one.jobbers.startsWith("skipped"),
      ),
    );
}

function directlyBelow(tasks: readonly TaskInput[], taskId: string): string[] {
  return tasks
    .filter(
      ({ upstream_task_ids: upstream, expand }) =>
        upstream?.includes(taskId) === true || JSON.stringify(expand ?? null).includes(`"task_id":"${taskId}"`),
    )
    .map(({ task_id: id }) => id);
}

function below(tasks: readonly TaskInput[], taskId: string): Set<string> {
  const found = new Set<string>();
  const next = [taskId];
  for (let id = next.pop(); id !== undefined; id = next.pop()) {
    for (const other of directlyBelow(tasks, id)) {
      if (!found.has(other)) {
        found.add(other);
        next.push(other);
      }
    }
  }
  return found;
}
