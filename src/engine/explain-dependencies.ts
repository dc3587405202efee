/**
 * Why a task instance is not scheduled, in the words of Airflow's dependencies: from the same functions that decide.
 *
 * @module
 */
import { checkMappedUpstream, wasSkipped } from "./dependencies.ts";
import type { RunState } from "./run-state.ts";
import { isFinished, isScheduleable } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import { explainScope, explainSetups, explainTriggerRule } from "./trigger-rules.ts";

/** A dependency that is not met. */
export interface UnmetDependency {
  /** Airflow's name of it. */
  name: string;
  reason: string;
}

/** What lies outside of the run and holds it. */
export interface Surroundings {
  isPaused: boolean;
  /** Why the run does not start, if it is queued. */
  runReason?: string | null;
  /** Epoch milliseconds. */
  now: number;
}

/** Every dependency of an instance that is not met. Empty for one that is already on its way, or over. */
export function explainDependencies(
  state: RunState,
  instance: NodeInstance,
  { isPaused, runReason, now }: Surroundings,
): UnmetDependency[] {
  if (!isScheduleable(instance.state) && instance.state !== "scheduled") {
    return [];
  }
  const unmet: UnmetDependency[] = [];
  const add = (name: string, reason: string): void => {
    if (reason !== "") {
      unmet.push({ name, reason });
    }
  };
  add("Dag Not Paused", isPaused ? `DAG '${state.graph.spec.dag_id}' is paused` : "");
  add("Dagrun Running", explainRun(state, runReason ?? null));
  if (!isScheduleable(instance.state)) {
    return unmet;
  }
  const { node, mapIndex } = instance;
  // Of a bulk submission; nothing else has a timer before it was scheduled.
  add("Run At", instance.state === null ? explainTimer(instance, now, "start") : "");
  add("Not In Retry Period", instance.state === "up_for_retry" ? explainTimer(instance, now, "retry") : "");
  add("Ready To Reschedule", instance.state === "up_for_reschedule" ? explainTimer(instance, now, "reschedule") : "");
  add("Previous Dagrun State", node.past?.reason() ?? "");
  const skipper = node.task.skipParents.map((index) => state.nodes[index]?.task.id).join(", ");
  add("Not Previously Skipped", wasSkipped(state.nodes, instance) ? `Skipped by the answer of ${skipper}` : "");
  add("Mapped dependencies have succeeded", explainFeeders(state, instance));
  const setups = node.setupCountsOf(mapIndex);
  add("Unfinished Setups", setups === null ? "" : explainSetups(setups, mapIndex));
  const rule = explainTriggerRule(node.task.spec.trigger_rule, node.countsOf(mapIndex), mapIndex);
  add("Trigger Rule", rule === "" ? "" : `${rule}${explainOpen(state, instance)}`);
  const scope = rule === "" ? node.scopeCountsOf(mapIndex) : null;
  add("Trigger Rule", scope === null ? "" : explainScope(node.task.spec.trigger_rule, scope));
  return unmet;
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
  return dueAt === null || dueAt <= now
    ? ""
    : `The next ${what} is at ${new Date(dueAt).toISOString()}, in ${(dueAt - now) / 1000} s.`;
}

function explainFeeders(state: RunState, { node }: NodeInstance): string {
  if (node.expanded || checkMappedUpstream(state.nodes, node.task) === "pass") {
    return "";
  }
  const open = node.task.feeders.flatMap((index) => {
    const feeder = state.nodes[index];
    return feeder === undefined || (feeder.unfinished === 0 && feeder.expanded) ? [] : [feeder];
  });
  const names = open.map((feeder) => `'${feeder.task.id}' (${feeder.instances[0]?.state ?? "none"})`);
  return `The task is mapped over the result of ${names.join(", ")}, which is not there.`;
}
