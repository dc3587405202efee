/**
 * Runs in a row: those of the past for a backfill, those to come for a preview.
 *
 * @module
 */
import type { DagRunInfo, DataInterval, TimeRestriction, Timetable } from "./timetable.ts";

/** Which runs a backfill is about: of logical dates from `from` to `to`, both inclusive. Epoch milliseconds. */
export interface BackfillRange {
  from: number;
  to: number;
  now: number;
}

/** The runs of a backfill, oldest first, one at a time: those whose data interval has ended strictly before now. */
export function* iterateRuns(timetable: Timetable, { from, to, now }: BackfillRange): Generator<DagRunInfo, void> {
  const restriction: TimeRestriction = { earliest: from, latest: null, catchup: true };
  let run = timetable.next(null, restriction, now);
  if (run !== null && run.logical_date < from) {
    // The data interval of a trigger reaches back from its tick, so the first tick to look at comes later.
    const begin = from + (run.run_after - run.logical_date);
    run = timetable.next(null, { ...restriction, earliest: begin }, now);
  }
  while (run !== null && run.logical_date <= to && run.data_interval.end < now) {
    yield run;
    run = timetable.next(run.data_interval, restriction, now);
  }
}

/**
 * The run to make when a planned one is due: that one with catchup, else the latest that is due by now. What comes between the two is
 * missed and left out.
 *
 * @param planned What the timetable gave, at whatever time that was.
 */
export function runToMake(
  timetable: Timetable,
  planned: DagRunInfo,
  restriction: TimeRestriction,
  now: number,
): DagRunInfo {
  if (restriction.catchup || planned.run_after > now) {
    return planned;
  }
  let run = planned;
  // Most timetables give the latest at once; one of listed dates leaves out what has passed, unless it is asked for each.
  for (const catchup of [false, true]) {
    for (;;) {
      const next = timetable.next(run.data_interval, { ...restriction, catchup }, now);
      if (next === null || next.run_after > now || next.run_after <= run.run_after) {
        break;
      }
      run = next;
    }
  }
  return run;
}

/**
 * The next `count` runs as the scheduler would make them if time passed and each was made at its time. Fewer if there are
 * no more, or if the next one depends on how long runs take (`@continuous`).
 *
 * @param planned The first of them, if it is known.
 */
export function previewRuns(
  timetable: Timetable,
  last: DataInterval | null,
  restriction: TimeRestriction,
  now: number,
  count: number,
  planned: DagRunInfo | null = null,
): DagRunInfo[] {
  const runs: DagRunInfo[] = planned === null || count === 0 ? [] : [planned];
  let previous = planned?.data_interval ?? last;
  let clock = Math.max(now, planned?.run_after ?? now);
  while (runs.length < count) {
    const run = timetable.next(previous, restriction, clock);
    const before = runs.at(-1);
    if (run === null || (before !== undefined && run.run_after <= before.run_after)) {
      break;
    }
    runs.push(run);
    previous = run.data_interval;
    clock = Math.max(clock, run.run_after);
  }
  return runs;
}
