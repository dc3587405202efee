/**
 * Why a task instance is not scheduled, in the words of Airflow's dependencies, and in plain ones: from the same functions that
 * decide.
 *
 * @module
 */
import { checkMappedUpstream, wasSkipped } from "./dependencies.ts";
import { sayTriggerRule } from "./explain-trigger-rule.ts";
import { asSentence, code, listed, whenAndIn } from "./explain-words.ts";
import type { RunState } from "./run-state.ts";
import { isFinished, isScheduleable } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import { explainScope, explainSetups, explainTriggerRule } from "./trigger-rules.ts";

/** A dependency that is not met. */
export interface UnmetDependency {
  /** Airflow's name of it. */
  name: string;
  /** In Airflow's words where it has some, as its clients compare them. */
  reason: string;
  /** In a plain sentence; `reason` if left out. */
  plain?: string;
}

/** What lies outside of the run and holds it. */
export interface Surroundings {
  isPaused: boolean;
  /** After how many failed runs in a row the DAG paused itself; null, or left out, if it did not. */
  pausedAfter?: number | null;
  /** Why the run does not start, if it is queued; or why it failed before anything of it started. */
  runReason?: string | null;
  /** Epoch milliseconds. */
  now: number;
}

/** Every dependency of an instance that is not met. Empty for one that is already on its way, or over. */
export function explainDependencies(
  state: RunState,
  instance: NodeInstance,
  { isPaused, pausedAfter, runReason, now }: Surroundings,
): UnmetDependency[] {
  if (!isScheduleable(instance.state) && instance.state !== "scheduled") {
    return [];
  }
  const unmet: UnmetDependency[] = [];
  const add = (name: string, reason: string, plain: () => string = () => reason): void => {
    if (reason !== "") {
      unmet.push({ name, reason, plain: asSentence(plain()) });
    }
  };
  const dagId = state.graph.spec.dag_id;
  add("Dag Not Paused", isPaused ? `DAG '${dagId}' is paused` : "", () => sayPaused(dagId, pausedAfter ?? null));
  add("Dagrun Running", explainRun(state, runReason ?? null), () => sayRun(state, runReason ?? null));
  if (!isScheduleable(instance.state)) {
    return unmet;
  }
  const { node, mapIndex } = instance;
  // Of a bulk submission; nothing else has a timer before it was scheduled.
  add("Run At", instance.state === null ? explainTimer(instance, now, "start") : "");
  add("Not In Retry Period", instance.state === "up_for_retry" ? explainTimer(instance, now, "retry") : "");
  add("Ready To Reschedule", instance.state === "up_for_reschedule" ? explainTimer(instance, now, "reschedule") : "");
  const { past } = node;
  add("Previous Dagrun State", past?.reason() ?? "", () => past?.plain() ?? past?.reason() ?? "");
  const skippers = node.task.skipParents.flatMap((index) => state.nodes[index]?.task.id ?? []);
  add(
    "Not Previously Skipped",
    wasSkipped(state.nodes, instance) ? `Skipped by the answer of ${skippers.join(", ")}` : "",
    () => `it is skipped by the answer of ${listed(skippers.map(code))}`,
  );
  add("Mapped dependencies have succeeded", explainFeeders(state, instance), () => sayFeeders(state, instance));
  const setups = node.setupCountsOf(mapIndex);
  add("Unfinished Setups", setups === null ? "" : explainSetups(setups, mapIndex), () =>
    setups === null ? "" : `it waits for its setups: all ${setups.total} must succeed, ${setups.success} have`,
  );
  const rule = explainTriggerRule(node.task.spec.trigger_rule, node.countsOf(mapIndex), mapIndex);
  add("Trigger Rule", rule === "" ? "" : `${rule}${explainOpen(state, instance)}`, () =>
    sayTriggerRule(state, instance),
  );
  const scope = rule === "" ? node.scopeCountsOf(mapIndex) : null;
  add("Trigger Rule", scope === null ? "" : explainScope(node.task.spec.trigger_rule, scope), () =>
    scope === null ? "" : `it waits for what lies between its setups and itself to end (${scope.total})`,
  );
  return unmet;
}

function sayPaused(dagId: string, pausedAfter: number | null): string {
  return pausedAfter === null
    ? `DAG ${code(dagId)} is paused`
    : `DAG ${code(dagId)} paused itself after ${pausedAfter} failed run${pausedAfter === 1 ? "" : "s"} in a row (max_consecutive_failed_dag_runs)`;
}

function sayRun({ info }: RunState, runReason: string | null): string {
  if (info.state === "queued") {
    return runReason === null ? "its run is queued, and about to start" : `its run is queued: ${runReason}`;
  }
  const why = runReason === null ? "" : `, ${runReason}`;
  return `it will not run: its run ${info.state === "success" ? "is over" : "failed"}${why}`;
}

/** Tasks named that are not over, for who wants to know which one to look at next. */
const OPEN_NAMED = 3;

/** Which tasks directly upstream are not over, with the states of their instances. */
function explainOpen(state: RunState, { node }: NodeInstance): string {
  const open = node.task.upstream.flatMap((index) => {
    const upstream = state.nodes[index];
    return upstream === undefined || upstream.unfinished === 0 ? [] : [upstream];
  });
  if (open.length === 0) {
    return "";
  }
  const named = open.slice(0, OPEN_NAMED).map((upstream) => `'${upstream.task.id}' (${openStates(upstream)})`);
  const others = open.length > named.length ? ` and ${open.length - named.length} more` : "";
  return ` Not over: ${named.join(", ")}${others}.`;
}

function openStates({ instances }: TaskNode): string {
  const counts = new Map<string, number>();
  for (const { state } of instances.filter((instance) => !isFinished(instance.state))) {
    counts.set(state ?? "none", (counts.get(state ?? "none") ?? 0) + 1);
  }
  return [...counts].map(([state, count]) => (instances.length === 1 ? state : `${count} ${state}`)).join(", ");
}

function explainRun({ info }: RunState, runReason: string | null): string {
  if (info.state === "running") {
    return "";
  }
  const why = info.state === "queued" && runReason !== null ? `: ${runReason}` : "";
  return `Task instance's dagrun was not in the 'running' state but in the state '${info.state}'${why}.`;
}

function explainTimer({ dueAt }: NodeInstance, now: number, what: string): string {
  return dueAt === null || dueAt <= now ? "" : `The next ${what} is at ${whenAndIn(dueAt, now)}.`;
}

function explainFeeders(state: RunState, { node }: NodeInstance): string {
  if (node.expanded || checkMappedUpstream(state.nodes, node.task) === "pass") {
    return "";
  }
  const names = openFeeders(state, node).map(
    (feeder) => `'${feeder.task.id}' (${feeder.instances[0]?.state ?? "none"})`,
  );
  return `The task is mapped over the result of ${names.join(", ")}, which is not there.`;
}

function sayFeeders(state: RunState, { node }: NodeInstance): string {
  const names = openFeeders(state, node).map(
    (feeder) => `${code(feeder.task.id)} (${feeder.instances[0]?.state ?? "not started"})`,
  );
  return `it is mapped over the result of ${listed(names)}, which is not there yet`;
}

function openFeeders(state: RunState, node: TaskNode): TaskNode[] {
  return node.task.feeders.flatMap((index) => {
    const feeder = state.nodes[index];
    return feeder === undefined || (feeder.unfinished === 0 && feeder.expanded) ? [] : [feeder];
  });
}
