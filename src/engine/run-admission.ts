/**
 * Which queued runs may start: Airflow's rules for `max_active_runs`, paused DAGs and backfills, in its order.
 *
 * @module
 */
import { code, counted, listed, whenAndIn } from "./explain-words.ts";

/** A queued run, as far as admission looks at it. Times are epoch milliseconds. */
export interface QueuedRun {
  /** Order of creation. */
  id: number;
  run_after: number;
  /** Null for a run of no backfill. */
  backfill_id: number | null;
  /** Position in its backfill, from 1. */
  sort_ordinal: number | null;
}

/** What limits a group of runs: those of one backfill, or all others. */
export interface RunLimit {
  max_active_runs: number;
  is_paused: boolean;
}

/** What admission decides from. */
export interface AdmissionFacts {
  queued: readonly QueuedRun[];
  /** Running runs by backfill, null for those of none. */
  running: ReadonlyMap<number | null, number>;
  /**
   * `run_after` of those of them that only wait for the run before. One that was queued again and comes before them must not wait
   * for their places, or nobody would ever go on. Left out: there are none.
   */
  idle?: ReadonlyMap<number | null, readonly number[]>;
  /** Of the DAG itself. A backfill goes on while its DAG is paused. */
  dag: RunLimit;
  backfills: ReadonlyMap<number, RunLimit>;
  now: number;
}

/**
 * The runs that start now, in order: those of no backfill before those of one, then by place in the backfill, then by
 * `run_after`, then by age. A backfill counts its own runs against its own limit.
 */
export function runsToStart(facts: AdmissionFacts): QueuedRun[] {
  const { queued, running, dag, backfills, now } = facts;
  const active = new Map(running);
  const started: QueuedRun[] = [];
  for (const run of queued.toSorted(inOrder)) {
    const limit = run.backfill_id === null ? dag : backfills.get(run.backfill_id);
    const count = active.get(run.backfill_id) ?? 0;
    const taken = count - idleAfter(run, facts);
    if (limit !== undefined && !limit.is_paused && run.run_after <= now && taken < limit.max_active_runs) {
      active.set(run.backfill_id, count + 1);
      started.push(run);
    }
  }
  return started;
}

/** Runs that wait for the run before and come after a queued one: they do not count against it. */
function idleAfter({ backfill_id, run_after }: QueuedRun, { idle }: AdmissionFacts): number {
  return (idle?.get(backfill_id) ?? []).filter((at) => at > run_after).length;
}

function inOrder(a: QueuedRun, b: QueuedRun): number {
  return (a.sort_ordinal ?? 0) - (b.sort_ordinal ?? 0) || a.run_after - b.run_after || a.id - b.id;
}

/** Whom a queued run waits for, as far as it is known by name. */
export interface AdmissionNames {
  /** Ids of the running runs that count against the same limit. */
  running: readonly string[];
  /** Queued runs that start before it. */
  before: number;
}

/** Why one queued run does not start; null if it does. */
export function explainAdmission(
  run: QueuedRun,
  facts: AdmissionFacts,
  names: AdmissionNames = { running: [], before: 0 },
): string | null {
  const { running, dag, backfills, now } = facts;
  const limit = run.backfill_id === null ? dag : backfills.get(run.backfill_id);
  const whose = run.backfill_id === null ? "the DAG" : `backfill ${run.backfill_id}`;
  if (limit === undefined) {
    return `its backfill ${run.backfill_id} is over`;
  }
  if (limit.is_paused) {
    return `${whose} is paused`;
  }
  if (run.run_after > now) {
    return `its run_after is ${whenAndIn(run.run_after, now)}`;
  }
  const count = running.get(run.backfill_id) ?? 0;
  if (count - idleAfter(run, facts) >= limit.max_active_runs) {
    const of = run.backfill_id === null ? "" : ` of ${whose}`;
    const who = names.running.length === 0 ? "" : ` (${listed(names.running.map(code), 3, count)})`;
    const are = count === 1 ? "is" : "are";
    const before =
      names.before === 0
        ? ""
        : `; ${counted(names.before, "queued run")} ${names.before === 1 ? "goes" : "go"} before it`;
    return `${count} of at most ${limit.max_active_runs} runs${of} ${are} running${who}${before}`;
  }
  return null;
}

/**
 * Whether the last runs of a DAG, newest logical date first, have all failed as often as `max_consecutive_failed_dag_runs`
 * allows, so that the DAG is paused. 0 is never.
 */
export function isFailingTooOften(states: readonly string[], maxConsecutiveFailed: number): boolean {
  const last = states.slice(0, maxConsecutiveFailed);
  return maxConsecutiveFailed > 0 && last.length === maxConsecutiveFailed && last.every((state) => state === "failed");
}
