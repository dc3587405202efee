/**
 * An ETL over real data: 2,000 flights inside the United States in the first quarter of 2001, the file
 * `flights-2k.json` of the npm package vega-datasets (from the US Bureau of Transportation Statistics).
 *
 * stage_flights -> busy_airports -> airport_delays (one per airport) -> judge_delays -> raise_alert or note_normal ->
 * report_flights, and whatever happens clear_staging in the end.
 *
 * @module
 */
import flights from "../node_modules/vega-datasets/data/flights-2k.json" with { type: "json" };
import { branch, dag, param, task } from "../src/sdk/index.ts";
import type { TaskContext, TaskOptions } from "../src/sdk/index.ts";

/** One flight. Times are minutes, distances miles; a negative delay is an early arrival. */
export interface Flight {
  date: string;
  delay: number;
  distance: number;
  origin: string;
  destination: string;
}

/** What is known of a set of flights. */
export interface DelaySummary {
  flights: number;
  /** Flights with a delay above the threshold. */
  late: number;
  /** Share of late flights, from 0 to 1. */
  lateShare: number;
  /** Minutes. */
  meanDelay: number;
}

/** The part of the bindings that staging needs. */
export interface StagingEnv {
  PAYLOADS: Pick<R2Bucket, "get" | "put" | "list" | "delete">;
}

/** Every task may be done again, so that a worker that dies costs a second and not the run. */
const AGAIN: TaskOptions = { retries: 2, retryDelay: "1s" };

/**
 * Copies the raw file to a place of this run. It is the setup, so that clearing any later task stages the file again.
 *
 * The source is simulated to be flaky: the first try always fails, to show a retry. The data are real.
 */
export const stageFlights = task({ id: "stage_flights", ...AGAIN }, async (ctx: TaskContext<StagingEnv>) => {
  if (ctx.ti.tryNumber === 1) {
    throw new Error("the source did not answer (simulated: the first try always fails)");
  }
  const prefix = `staging/flights_etl/${ctx.runId ?? "no-run"}/`;
  const key = `${prefix}flights.json`;
  await ctx.env.PAYLOADS.put(key, JSON.stringify(flights));
  ctx.log.info("staged", { key, flights: flights.length });
  return { prefix, key };
});

/** The airports from which enough flights leave, the busiest first. How many there are is known only now. */
export const busyAirports = task(
  { id: "busy_airports", ...AGAIN },
  async (ctx: TaskContext<StagingEnv>, { key, minFlights }: { key: string; minFlights: number }) => {
    const byOrigin = Map.groupBy(await readStaged(ctx, key), (flight) => flight.origin);
    return [...byOrigin]
      .filter(([, departures]) => departures.length >= minFlights)
      .toSorted(([a, m], [b, n]) => n.length - m.length || (a < b ? -1 : 1))
      .map(([airport]) => airport);
  },
);

/** The delays of one airport's departures; without an airport, of all. */
export const airportDelays = task(
  { id: "airport_delays", ...AGAIN },
  async (
    ctx: TaskContext<StagingEnv>,
    { key, airport, lateAfter }: { key: string; airport: string | null; lateAfter: number },
  ) => {
    const all = await readStaged(ctx, key);
    const departures = airport === null ? all : all.filter((flight) => flight.origin === airport);
    return { airport: airport ?? "all", ...summarise(departures, lateAfter) };
  },
);

/** Follows the alert if more flights are late than is tolerable. */
export const judgeDelays = branch(
  { id: "judge_delays", ...AGAIN },
  (_ctx, { lateShare, tolerable }: { lateShare: number; tolerable: number }) =>
    lateShare > tolerable ? "raise_alert" : "note_normal",
);

/** Names the airports that are worse than is tolerable, the worst first. */
export const raiseAlert = task(
  { id: "raise_alert", ...AGAIN },
  (ctx, { airports, tolerable }: { airports: (DelaySummary & { airport: string })[]; tolerable: number }) => {
    const bad = airports.filter((one) => one.lateShare > tolerable).toSorted((a, b) => b.lateShare - a.lateShare);
    ctx.log.warning("too many flights are late", { airports: bad.map((one) => one.airport) });
    return { alert: true, airports: bad.map((one) => one.airport) };
  },
);

/** Says that nothing is to be said. */
export const noteNormal = task({ id: "note_normal", ...AGAIN }, () => ({
  alert: false,
  airports: new Array<string>(),
}));

/** The figures of the run. Of the two verdicts one is null, because the branch skipped its task. */
export const reportFlights = task(
  { id: "report_flights", ...AGAIN, triggerRule: "none_failed_min_one_success" },
  (
    _ctx,
    input: {
      overall: DelaySummary;
      airports: (DelaySummary & { airport: string })[];
      alerted: Verdict | null;
      normal: Verdict | null;
    },
  ) => {
    const { airport: worstAirport, lateShare: worstShare } = input.airports.reduce(
      (worst, one) => (one.lateShare > worst.lateShare ? one : worst),
      { airport: "none", lateShare: 0 },
    );
    const { flights: count, late, lateShare, meanDelay } = input.overall;
    const verdict = input.alerted ?? input.normal;
    return {
      flights: count,
      late,
      lateShare,
      meanDelay,
      airports: input.airports.length,
      worstAirport,
      worstShare,
      alert: verdict?.alert ?? false,
      alertedAirports: verdict?.airports ?? [],
    };
  },
);

/** Answer of the two tasks after the branch. */
export interface Verdict {
  alert: boolean;
  airports: string[];
}

/** Removes what the run staged. */
export const clearStaging = task(
  { id: "clear_staging", ...AGAIN },
  async (ctx: TaskContext<StagingEnv>, { prefix }: { prefix: string }) => {
    const { objects } = await ctx.env.PAYLOADS.list({ prefix });
    await ctx.env.PAYLOADS.delete(objects.map((object) => object.key));
    return { deleted: objects.length };
  },
);

export const flightsEtl = dag(
  {
    id: "flights_etl",
    description: "Delays of 2,000 real flights: staged, mapped over the busy airports, judged, reported.",
    tags: ["example", "etl"],
    params: {
      min_flights: param<number>({
        default: 40,
        description: "Departures an airport needs to be looked at",
        schema: { type: "integer", minimum: 1 },
      }),
      late_after: param<number>({
        default: 15,
        description: "Minutes of delay above which a flight is late",
        schema: { type: "number" },
      }),
      tolerable_share: param<number>({
        default: 0.2,
        description: "Share of late flights above which the alert is raised",
        schema: { type: "number", minimum: 0, maximum: 1 },
      }),
    },
  },
  (d) => {
    const { min_flights: minFlights, late_after: lateAfter, tolerable_share: tolerable } = d.params;
    const staged = d.run(stageFlights).asSetup();
    const key = staged.get("key");

    const airports = d.run(busyAirports, { key, minFlights });
    const overall = d.run(airportDelays, { key, airport: null, lateAfter }, { id: "overall_delays" });
    const perAirport = d.expand(airportDelays, { airport: airports }, { partial: { key, lateAfter } });

    const judge = d.run(judgeDelays, { lateShare: overall.get("lateShare"), tolerable });
    const alerted = d.run(raiseAlert, { airports: perAirport, tolerable });
    const normal = d.run(noteNormal);
    d.after(judge, [alerted, normal]);

    const report = d.run(reportFlights, { overall, airports: perAirport, alerted, normal });
    const clear = d.run(clearStaging, { prefix: staged.get("prefix") }).asTeardown({ setups: staged });
    d.after(report, clear);
  },
);

async function readStaged(ctx: TaskContext<StagingEnv>, key: string): Promise<Flight[]> {
  const staged = await ctx.env.PAYLOADS.get(key);
  if (staged === null) {
    throw new Error(`expected the staged flights at ${key}, got nothing there`);
  }
  return staged.json<Flight[]>();
}

function summarise(departures: readonly Flight[], lateAfter: number): DelaySummary {
  const late = departures.filter((flight) => flight.delay > lateAfter).length;
  const minutes = departures.reduce((sum, flight) => sum + flight.delay, 0);
  const count = departures.length;
  return { flights: count, late, lateShare: ratio(late, count), meanDelay: ratio(minutes, count) };
}

/** To four digits, so that a report reads well and does not depend on the order of adding up. */
function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 10_000) / 10_000;
}
