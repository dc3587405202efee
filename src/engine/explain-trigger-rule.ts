/**
 * What a trigger rule waits for, in a sentence: the tasks upstream that are not over, what the rule wants of all, and how many are
 * so far.
 *
 * @module
 */
import { code, listed } from "./explain-words.ts";
import type { RunState } from "./run-state.ts";
import type { TriggerRule } from "./spec.ts";
import { isFinished } from "./states.ts";
import type { NodeInstance, TaskNode } from "./task-node.ts";
import type { UpstreamCounts } from "./trigger-rules.ts";

type Want = (counts: UpstreamCounts) => { all: boolean; must: string; have: number };

const failures = ({ failed, upstreamFailed }: UpstreamCounts): number => failed + upstreamFailed;
const ended = ({ success, skipped, failed, upstreamFailed, removed, done }: UpstreamCounts): number =>
  done ?? success + skipped + failed + upstreamFailed + removed;

/** What each rule wants, and how many upstream instances are so. */
const WANTS: Record<TriggerRule, Want> = {
  all_success: (counts) => ({ all: true, must: "succeed", have: counts.success }),
  all_failed: (counts) => ({ all: true, must: "fail", have: failures(counts) }),
  all_done: (counts) => ({ all: true, must: "end", have: ended(counts) }),
  all_done_min_one_success: (counts) => ({
    all: true,
    must: "end, one with success and none skipped",
    have: ended(counts),
  }),
  all_done_setup_success: (counts) => ({ all: true, must: "end, with success of a setup", have: ended(counts) }),
  one_success: (counts) => ({ all: false, must: "succeed", have: counts.success }),
  one_failed: (counts) => ({ all: false, must: "fail", have: failures(counts) }),
  one_done: (counts) => ({ all: false, must: "succeed or fail", have: counts.success + counts.failed }),
  none_failed: (counts) => ({ all: true, must: "succeed or be skipped", have: counts.success + counts.skipped }),
  none_failed_min_one_success: (counts) => ({
    all: true,
    must: "succeed or be skipped, one with success",
    have: counts.success + counts.skipped,
  }),
  none_skipped: (counts) => ({ all: true, must: "end, none skipped", have: ended(counts) }),
  all_skipped: (counts) => ({ all: true, must: "be skipped", have: counts.skipped }),
  always: (counts) => ({ all: false, must: "exist", have: counts.total }),
};

/** What an instance waits for upstream, whose rule does not pass. */
export function sayTriggerRule(state: RunState, { node, mapIndex }: NodeInstance): string {
  const { trigger_rule: rule } = node.task.spec;
  const counts = node.countsOf(mapIndex);
  const open = node.task.upstream.flatMap((index) => {
    const upstream = state.nodes[index];
    return upstream === undefined || upstream.unfinished === 0 ? [] : [upstream];
  });
  const [only] = open;
  if (open.length === 1 && only?.instances.length === 1 && only.instances[0]?.state === null) {
    return `it waits for ${code(only.task.id)}, which has not started`;
  }
  const { all, must, have } = WANTS[rule](counts);
  const wanted =
    counts.total === 1
      ? "the one upstream instance must"
      : `${all ? `all ${counts.total}` : `one of ${counts.total}`} upstream instances must`;
  const waits =
    open.length === 0
      ? "what is upstream is over"
      : `it waits for ${listed(open.map((upstream) => `${code(upstream.task.id)} (${openStates(upstream)})`))}`;
  return `${waits}: ${wanted} ${must}, ${have} ${have === 1 ? "has" : "have"} (${rule})`;
}

/** "running", "3 running, 1 not started". */
function openStates({ instances }: TaskNode): string {
  const counts = new Map<string, number>();
  for (const { state } of instances.filter((instance) => !isFinished(instance.state))) {
    const name = state ?? "not started";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => (instances.length === 1 ? name : `${count} ${name}`)).join(", ");
}

/** Which tasks upstream made an instance what it is, that was never run: "because `f` failed". Empty if none is to be named. */
export function sayCause(state: RunState, { node, state: own }: NodeInstance): string {
  const causes = {
    upstream_failed: [
      { states: ["failed"], did: "failed" },
      { states: ["upstream_failed"], did: "could not run" },
    ],
    skipped: [{ states: ["skipped"], did: "was skipped" }],
  };
  const kinds = own === "upstream_failed" || own === "skipped" ? causes[own] : [];
  for (const { states, did } of kinds) {
    const tasks = node.task.upstream.flatMap((index) => {
      const upstream = state.nodes[index];
      return upstream?.instances.some((one) => one.state !== null && states.includes(one.state)) === true
        ? [code(upstream.task.id)]
        : [];
    });
    if (tasks.length > 0) {
      return `because ${listed(tasks)} ${tasks.length > 1 ? did.replace("was", "were") : did}`;
    }
  }
  return "";
}
