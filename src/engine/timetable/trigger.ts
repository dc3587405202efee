/**
 * Timetables whose runs come at a tick, whatever interval of data they are given.
 *
 * @module
 */
import type { Ticks } from "./ticks.ts";
import { manualOver, PERIODIC, runOver } from "./timetable.ts";
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable, TimetableWords } from "./timetable.ts";

/** Ticks, and when the first of them is. */
export interface Trigger {
  ticks: Ticks;
  /** The first tick of a DAG that has neither a start date nor runs. */
  firstRun: (now: number) => number;
}

/** What a new DAG without a start date does about the tick before now; see {@link cronFirstRun}. Numbers are milliseconds. */
export type RunImmediately = boolean | number | null;

const LEAST_BUFFER = 5 * 60_000;

/**
 * A timetable of one or several triggers.
 *
 * @param intervalMs Milliseconds from the start of a run's data interval to its tick.
 */
export function triggerTimetable(triggers: readonly Trigger[], intervalMs: number, words: TimetableWords): Timetable {
  return {
    ...words,
    ...PERIODIC,
    next(last, restriction, now) {
      const runs = triggers.map((trigger) => nextTrigger(trigger, intervalMs, last, restriction, now));
      return choose(runs, restriction.catchup, now);
    },
    manualInterval: (runAfter) => manualOver(runAfter - intervalMs, runAfter, runAfter),
  };
}

/** Airflow's algorithm for the next run of a trigger timetable. */
function nextTrigger(
  { ticks, firstRun }: Trigger,
  intervalMs: number,
  last: DataInterval | null,
  { earliest, latest, catchup }: TimeRestriction,
  now: number,
): DagRunInfo | null {
  const following = last === null ? null : ticks.next(last.end);
  const begin = earliest === null ? null : ticks.alignNext(earliest);
  const at = catchup
    ? (following ?? begin ?? firstRun(now))
    : Math.max(ticks.alignPrev(now), following ?? begin ?? firstRun(now), begin ?? -Infinity);
  return latest !== null && latest < at ? null : runOver(at - intervalMs, at);
}

/**
 * The first run of a new DAG: the tick before now if `runImmediately` is true or if that tick is recent, else the one
 * after. Recent means no longer ago than `runImmediately` says in milliseconds, or else a tenth of the time between the
 * two ticks, at least five minutes. False means the same as null, as in Airflow's code (its documentation differs).
 */
export function cronFirstRun(ticks: Ticks, runImmediately: RunImmediately, now: number): number {
  const past = ticks.alignPrev(now);
  const coming = ticks.alignNext(now);
  if (runImmediately === true) {
    return past;
  }
  const buffer = typeof runImmediately === "number" ? runImmediately : Math.max((coming - past) / 10, LEAST_BUFFER);
  return now - past <= buffer ? past : coming;
}

/**
 * Of the next runs of several triggers: with catchup the first; without, of those that are due the last, or else the first to
 * come.
 *
 * All have data intervals of one length, so the order of ticks is that of logical dates. What is due says the tick: Airflow asks
 * whether the logical date is in the future, which that of a tick to come is not if the interval is long, so that with it
 * a due tick can be passed over, and the next one again.
 */
function choose(runs: readonly (DagRunInfo | null)[], catchup: boolean, now: number): DagRunInfo | null {
  const rank = ({ run_after: tick }: DagRunInfo): number => (catchup || tick > now ? tick : -tick);
  return runs
    .filter((run) => run !== null)
    .reduce<DagRunInfo | null>((best, run) => (best === null || rank(run) < rank(best) ? run : best), null);
}
