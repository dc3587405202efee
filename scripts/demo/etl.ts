/**
 * The ETL DAG on the real data set, and the same figures computed here from the file, by other means.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { TaskInstance } from "../client.ts";
import { PROJECT_ROOT } from "../project.ts";
import { deadline, nextFrame } from "./stage.ts";
import type { Stage } from "./stage.ts";
import { treeLines } from "./tree.ts";

const DAG_ID = "flights_etl";
const TASKS = [
  "stage_flights",
  "busy_airports",
  "overall_delays",
  "airport_delays",
  "judge_delays",
  "raise_alert",
  "note_normal",
  "report_flights",
  "clear_staging",
];
/** The DAG's own defaults. */
const MIN_FLIGHTS = 40;
const LATE_AFTER = 15;
const TOLERABLE = 0.2;

const flightsSchema = z.array(z.object({ delay: z.number(), origin: z.string() }));

/** What the report of a run says. */
export interface Report {
  flights: number;
  late: number;
  lateShare: number;
  meanDelay: number;
  airports: number;
  worstAirport: string;
  worstShare: number;
  alert: boolean;
  alertedAirports: string[];
}

/** Runs the DAG with a live tree and compares its report. */
export async function runEtl({ client, screen, checks }: Stage): Promise<void> {
  screen.section("3. An ETL over 2,000 real flights: setup, retry, mapped stage, branch, teardown");
  const expected = expectedReport();
  const { dag_run_id: runId } = await client.triggerRun(DAG_ID);
  const late = deadline("the run to end", 60_000);
  let run = await client.getRun(DAG_ID, runId);
  let instances = await client.listTaskInstances(DAG_ID, runId);
  while (run.state === "queued" || run.state === "running") {
    screen.paint(treeLines(run, instances, TASKS));
    await nextFrame();
    late();
    run = await client.getRun(DAG_ID, runId);
    instances = await client.listTaskInstances(DAG_ID, runId);
  }
  screen.paint(treeLines(run, instances, TASKS));
  screen.settle();
  const report = await client.getXCom(DAG_ID, runId, "report_flights");
  screen.line(
    `${expected.flights} flights, ${expected.late} late (${percent(expected.lateShare)}), mean delay ${expected.meanDelay} min; ` +
      `worst of ${expected.airports} busy airports: ${expected.worstAirport} (${percent(expected.worstShare)})`,
  );

  checks.equal("the ETL run succeeded", [run.state, run.reason], ["success", "success"]);
  checks.equal("its report equals what the file says", report, expected);
  checks.equal(
    "the mapped stage had one task instance per busy airport, each a success",
    ofTask(instances, "airport_delays").map((each) => [each.map_index, each.state]),
    Array.from({ length: expected.airports }, (_, index) => [index, "success"]),
  );
  const [taken, left] = expected.alert ? ["raise_alert", "note_normal"] : ["note_normal", "raise_alert"];
  checks.equal(
    "the branch took one way and skipped the other",
    [stateOf(instances, taken), stateOf(instances, left)],
    ["success", "skipped"],
  );
  checks.equal("staging failed once and succeeded on its second try", triesOf(instances, "stage_flights"), [
    "success",
    2,
  ]);
  checks.equal("the teardown ran", stateOf(instances, "clear_staging"), "success");
}

/** The report as the file gives it: one pass, totals in plain numbers. */
export function expectedReport(): Report {
  const file = join(PROJECT_ROOT, "node_modules", "vega-datasets", "data", "flights-2k.json");
  const flights = flightsSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const totals = new Map<string, { all: number; late: number }>();
  let late = 0;
  let minutes = 0;
  for (const { origin, delay } of flights) {
    const airport = totals.get(origin) ?? { all: 0, late: 0 };
    totals.set(origin, airport);
    airport.all += 1;
    minutes += delay;
    if (delay > LATE_AFTER) {
      airport.late += 1;
      late += 1;
    }
  }
  const busy = [...totals]
    .filter(([, { all }]) => all >= MIN_FLIGHTS)
    .map(([airport, { all, late: lateOnes }]) => ({ airport, all, share: fourDigits(lateOnes / all) }))
    .toSorted((a, b) => b.share - a.share || b.all - a.all || a.airport.localeCompare(b.airport));
  const overall = fourDigits(late / flights.length);
  const alert = overall > TOLERABLE;
  return {
    flights: flights.length,
    late,
    lateShare: overall,
    meanDelay: fourDigits(minutes / flights.length),
    airports: busy.length,
    worstAirport: busy[0]?.airport ?? "none",
    worstShare: busy[0]?.share ?? 0,
    alert,
    alertedAirports: alert ? busy.filter(({ share }) => share > TOLERABLE).map(({ airport }) => airport) : [],
  };
}

function fourDigits(value: number): number {
  return Number(value.toFixed(4));
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function ofTask(instances: readonly TaskInstance[], taskId: string): TaskInstance[] {
  return instances.filter((each) => each.task_id === taskId).toSorted((a, b) => a.map_index - b.map_index);
}

function stateOf(instances: readonly TaskInstance[], taskId: string | undefined): string | null | undefined {
  return instances.find((each) => each.task_id === taskId)?.state;
}

function triesOf(instances: readonly TaskInstance[], taskId: string): unknown[] {
  const found = instances.find((each) => each.task_id === taskId);
  return [found?.state, found?.try_number];
}
