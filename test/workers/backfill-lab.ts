/**
 * How tests make backfills and work them off.
 *
 * @module
 */
import type { BackfillRequest, BackfillView } from "../../src/engine/backfill-objects.ts";
import type { ClaimedTask, DagRunView, Outcome } from "../../src/engine/work.ts";
import { claimQueued, dagOf, report, success, value } from "./lab.ts";
import { addDag, step } from "./registry.ts";

export const DAY = 86_400_000;
/** The clock of the tests begins here. */
export const NOW = Date.UTC(2100, 0, 1);

/** More rounds than any backfill of the tests needs. */
const MAX_ROUNDS = 500;

type Options = Parameters<typeof addDag>[0];

/** A DAG of one task that is due every midnight. */
export function daily(options: Options = {}): string {
  return addDag({ schedule: "0 0 * * *", isPausedUponCreation: true, ...options }, (d) => void d.run(step("a")));
}

/** The midnight so many days before the tests' clock begins. */
export function ago(days: number): number {
  return NOW - days * DAY;
}

/** A request for the last days before the clock, yesterday included. */
export function lastDays(days: number, fields: Partial<BackfillRequest> = {}): BackfillRequest {
  return {
    from_date: ago(days),
    to_date: ago(1),
    run_backwards: false,
    dag_run_conf: null,
    reprocess_behavior: "none",
    max_active_runs: 10,
    run_on_latest_version: true,
    stop_on_first_failure: false,
    canary: null,
    triggering_user_name: null,
    ...fields,
  };
}

let made = 0;

/** Makes a backfill, and gives it. */
export async function backfill(dagId: string, request: BackfillRequest): Promise<BackfillView> {
  made += 1;
  return value(await dagOf(dagId).createBackfill(made, request));
}

export async function seen(dagId: string, { id }: Pick<BackfillView, "id">): Promise<BackfillView> {
  return value(await dagOf(dagId).getBackfill(id));
}

/** All runs by logical date. */
export async function runsOf(dagId: string): Promise<DagRunView[]> {
  return value(await dagOf(dagId).listRuns({ limit: 20_000, offset: 0, order_by: ["logical_date"] })).items;
}

/** How many runs are in which state. */
export async function countsOf(dagId: string): Promise<Record<string, number>> {
  const { runs } = value(await dagOf(dagId).stats());
  return Object.fromEntries(Object.entries(runs).filter(([, count]) => count > 0));
}

/** Days before the clock of the runs in a state, oldest first. */
export async function daysIn(dagId: string, state: string): Promise<number[]> {
  const runs = await runsOf(dagId);
  return runs.filter((run) => run.state === state).map((run) => (NOW - (run.logical_date ?? 0)) / DAY);
}

/** Reports what one round of workers finds to do. Gives the runs it worked on, in the order of their dates. */
export async function workOnce(
  dagId: string,
  answer: (task: ClaimedTask, daysAgo: number) => Outcome = () => success(),
): Promise<DagRunView[]> {
  const query = { limit: 1000, offset: 0, order_by: ["logical_date"], state: ["running"] };
  const running = value(await dagOf(dagId).listRuns(query)).items;
  const worked: DagRunView[] = [];
  for (const run of running) {
    const tasks = await claimQueued(dagId, run.run_id);
    for (const task of tasks) {
      await report(dagId, task, answer(task, (NOW - (run.logical_date ?? 0)) / DAY));
    }
    if (tasks.length > 0) {
      worked.push(run);
    }
  }
  return worked;
}

/** Works until there is nothing to do any more. Gives the runs in the order they were worked on. */
export async function workOff(
  dagId: string,
  answer?: (task: ClaimedTask, daysAgo: number) => Outcome,
  between: () => Promise<void> = async () => undefined,
): Promise<DagRunView[]> {
  const worked: DagRunView[] = [];
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const now = await workOnce(dagId, answer);
    if (now.length === 0) {
      return worked;
    }
    worked.push(...now);
    await between();
  }
  throw new Error(`there is still work after ${MAX_ROUNDS} rounds`);
}
