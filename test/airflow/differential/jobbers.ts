/**
 * Plays scenarios on a served bundle of Jobbers, over HTTP.
 *
 * Tasks are slow and decisions are fast: once everything that can start has started and waits at its gate, one task instance
 * ends. Each report is decided in the transaction that takes it, so that there is nothing to wait for but starts.
 *
 * @module
 */
import { z } from "zod";
import { makeHttpClient } from "../../../scripts/http.ts";
import type { Answer, HttpClient } from "../../../scripts/http.ts";
import type { ServerProcess } from "../../../scripts/server-process.ts";
import type { Gates } from "./gates.ts";
import { nextToEnd } from "./order.ts";
import type { RunningTry } from "./order.ts";
import { instanceName, outcomeOf } from "./scenario.ts";
import type { PhaseResult, Played, RunDates, Scenario } from "./scenario.ts";

const runsSchema = z.object({
  dag_runs: z.array(
    z.object({
      dag_run_id: z.string(),
      run_type: z.string(),
      logical_date: z.string().nullable(),
      data_interval_start: z.string().nullable(),
      data_interval_end: z.string().nullable(),
      run_after: z.string(),
      state: z.string(),
    }),
  ),
});
const instancesSchema = z.object({
  task_instances: z.array(
    z.object({
      dag_run_id: z.string(),
      task_id: z.string(),
      map_index: z.number(),
      state: z.string().nullable(),
      try_number: z.number(),
      max_tries: z.number(),
    }),
  ),
  total_entries: z.number(),
});
type Run = z.infer<typeof runsSchema>["dag_runs"][number];
type Instance = z.infer<typeof instancesSchema>["task_instances"][number];

/** States in which nothing happens unless something else does. */
const AT_REST: ReadonlySet<string | null> = new Set([
  null,
  "success",
  "failed",
  "skipped",
  "upstream_failed",
  "removed",
]);
const PAGE = 100;
const POLL_MS = 5;
const PATIENCE_MS = 60_000;

/** What came of a scenario, and its runs, for the other side to make the same. */
export interface PlayedOnJobbers {
  played: Played;
  runs: RunDates[];
}

/** A served bundle on which scenarios are played, several at a time. */
export class JobbersSide {
  readonly #http: HttpClient;
  readonly #gates: Gates;

  constructor(server: ServerProcess, gates: Gates) {
    this.#http = makeHttpClient(server.url, server.apiKey);
    this.#gates = gates;
  }

  close(): void {
    this.#http.close();
  }

  /** @throws Error if a run does not come to rest, or the API answers as it should not. */
  async play(scenario: Scenario): Promise<PlayedOnJobbers> {
    const dag = new PlayedDag(this.#http, this.#gates, scenario);
    const refused = await dag.register();
    if (refused !== null) {
      return { played: { refused }, runs: [] };
    }
    const runs = await dag.makeRuns();
    const phases: PhaseResult[] = [];
    for (const { actions } of scenario.phases) {
      const statuses: number[] = [];
      for (const { method, path, body } of actions) {
        statuses.push((await dag.call(method, path, body)).status);
      }
      await dag.runToTheEnd();
      phases.push({ statuses, runs: await dag.snapshot() });
    }
    await dag.remove();
    return { played: { phases }, runs };
  }
}

class PlayedDag {
  readonly #http: HttpClient;
  readonly #gates: Gates;
  readonly #scenario: Scenario;
  readonly #dagId: string;

  constructor(http: HttpClient, gates: Gates, scenario: Scenario) {
    this.#http = http;
    this.#gates = gates;
    this.#scenario = scenario;
    this.#dagId = scenario.spec.dag_id;
  }

  call(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#http.call(method, `/api/v2/dags/${this.#dagId}${path}`, body);
  }

  /** Null, or why the spec is refused. */
  async register(): Promise<string | null> {
    const { status, body } = await this.call("PUT", "", this.#scenario.spec);
    if (status >= 500) {
      throw new Error(`PUT of ${this.#dagId}: ${status} ${JSON.stringify(body)}`);
    }
    return status < 300 ? null : JSON.stringify(body);
  }

  async makeRuns(): Promise<RunDates[]> {
    for (const run of this.#scenario.runs) {
      const { status, body } = await this.call("POST", "/dagRuns", run);
      if (status !== 200) {
        throw new Error(`POST of run ${run.dag_run_id}: ${status} ${JSON.stringify(body)}`);
      }
    }
    const expected = this.#scenario.runs.length + this.#scenario.scheduledRuns;
    const deadline = Date.now() + PATIENCE_MS;
    let runs = await this.#runs();
    while (runs.length < expected) {
      if (Date.now() > deadline) {
        throw new Error(`expected ${expected} runs of ${this.#dagId}, got ${runs.length}`);
      }
      await this.#gates.arrival(this.#dagId, POLL_MS);
      runs = await this.#runs();
    }
    return runs.map(({ state: _state, ...dates }) => dates);
  }

  /** Ends task instances, one after the other, until none runs. */
  async runToTheEnd(): Promise<void> {
    for (;;) {
      const one = nextToEnd(this.#scenario.salt, await this.#settle());
      if (one === undefined) {
        this.#gates.releaseRest(this.#dagId);
        return;
      }
      const outcome = outcomeOf(this.#scenario, one.taskId, one.mapIndex, one.tryNumber);
      this.#gates.release(this.#dagId, one, outcome);
    }
  }

  async snapshot(): Promise<PhaseResult["runs"]> {
    const [runs, instances] = [await this.#runs(), await this.#instances()];
    return Object.fromEntries(
      runs.map((run) => [
        run.dag_run_id,
        {
          state: run.state,
          tis: Object.fromEntries(
            instances
              .filter((ti) => ti.dag_run_id === run.dag_run_id)
              .map((ti) => [instanceName(ti.task_id, ti.map_index), [ti.state, ti.try_number, ti.max_tries]]),
          ),
        },
      ]),
    );
  }

  async remove(): Promise<void> {
    this.#gates.releaseRest(this.#dagId);
    await this.call("DELETE", "");
  }

  /** Waits until whatever can start has started. Gives what runs then. */
  async #settle(): Promise<RunningTry[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const before = await this.#runs();
      const instances = await this.#instances();
      if (this.#isSettled(before, instances) && sameStates(before, await this.#runs())) {
        return instances.filter((ti) => ti.state === "running").map(tryOf);
      }
      if (Date.now() > deadline) {
        const states = JSON.stringify(await this.snapshot());
        throw new Error(`expected ${this.#dagId} to come to rest, it did not: ${states}`);
      }
      await this.#gates.arrival(this.#dagId, POLL_MS);
    }
  }

  #isSettled(runs: readonly Run[], instances: readonly Instance[]): boolean {
    return (
      runs.every((run) => run.state !== "queued") &&
      instances.every(
        (ti) => AT_REST.has(ti.state) || (ti.state === "running" && this.#gates.isWaiting(this.#dagId, tryOf(ti))),
      )
    );
  }

  async #runs(): Promise<Run[]> {
    const { body } = await this.call("GET", `/dagRuns?limit=${PAGE}&order_by=dag_run_id`);
    return runsSchema.parse(body).dag_runs;
  }

  async #instances(): Promise<Instance[]> {
    const all: Instance[] = [];
    for (;;) {
      const { body } = await this.call("GET", `/dagRuns/~/taskInstances?limit=${PAGE}&offset=${all.length}`);
      const page = instancesSchema.parse(body);
      all.push(...page.task_instances);
      if (all.length >= page.total_entries || page.task_instances.length === 0) {
        return all;
      }
    }
  }
}

function tryOf(ti: Instance): RunningTry {
  return { runId: ti.dag_run_id, taskId: ti.task_id, mapIndex: ti.map_index, tryNumber: ti.try_number };
}

function sameStates(before: readonly Run[], after: readonly Run[]): boolean {
  return before.length === after.length && before.every((run, place) => run.state === after[place]?.state);
}
