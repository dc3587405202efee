/**
 * What is looked at on the platform, and what is expected. Each check says what was seen; whether that is well is for the reader, but
 * `as_expected` says it where it can be said.
 *
 * @module
 */
import type { Client, DagRun, Job } from "../client.ts";

/** What a check saw. */
export interface Seen {
  seen: Record<string, unknown>;
  /** Null where no figure is expected. */
  as_expected: boolean | null;
}

/** The Worker, as checks use it. */
export interface Deployed {
  readonly client: Client;
  /** Deploys it again, with variables. */
  deploy(variables: Record<string, string>): Promise<void>;
}

/** What a check works with. */
export interface Site {
  deployment: Deployed;
  /** Where objects are to be made: a location hint. */
  hint: string;
}

/** One check. */
export interface Check {
  number: number;
  asked: string;
  expected: string;
  run(site: Site): Promise<Seen>;
}

/** Seconds that one long-poll waits. */
const POLL_S = 20;
/** What is not over after that is given up: 20 minutes. */
const POLLS = 60;
const PROBES = 30;
const WIDEST = 19_998;
const WIDE_DAGS = 8;
const HOPS = 20;
const POOLED = 50;

export const CHECKS: readonly Check[] = [
  {
    number: 1,
    asked: "How long do short tasks wait in a queue in which a task of 5 minutes runs?",
    expected: "some seconds: consumers are added after a batch has ended, and the long task's batch has not",
    run: ({ deployment: { client } }) => waitBesideLongTask(client),
  },
  {
    number: 2,
    asked: "Is a consumer that runs ended by a deployment, and how soon is its task run again?",
    expected: "the task ends well; if its worker was lost, at no cost of a try of its own",
    run: ({ deployment }) => deployBesideTask(deployment),
  },
  {
    number: 3,
    asked: "Do 100 tasks of about 0.5 s of CPU time that come together end well?",
    expected: "all succeed in their first try",
    run: ({ deployment: { client } }) => mapped(client, "computations", { count: 100, cpuMs: 500 }),
  },
  {
    number: 4,
    asked: "Do 100 tasks beat for longer than 500 s?",
    expected: "all succeed in their first try",
    run: ({ deployment: { client } }) => mapped(client, "naps", { count: 100, seconds: 560 }),
  },
  {
    number: 5,
    asked: "Do eight runs of 19,998 task instances at once, in objects of one class, fit into its memory?",
    expected: "all runs succeed",
    run: ({ deployment: { client } }) => wideRuns(client),
  },
  {
    number: 6,
    asked: "How long are round trips between a DAG, a pool and a worker, with LOCATION_HINT and without?",
    expected: "no figure: the smaller one is the better setting",
    run: ({ deployment, hint }) => roundTrips(deployment, hint),
  },
  {
    number: 7,
    asked: "Is a long-poll of 60 s answered?",
    expected: "200 after 60 s",
    run: ({ deployment: { client } }) => longPoll(client),
  },
];

async function waitBesideLongTask(client: Client): Promise<Seen> {
  const long = await client.submitTask("nap", { seconds: 300 });
  await running(client, long.id);
  const waits: number[] = [];
  const hosts = new Set<string>();
  for (let probe = 0; probe < PROBES; probe += 1) {
    const submittedAt = Date.now();
    // One after the other: what is measured is the wait of each.
    // oxlint-disable-next-line no-await-in-loop
    const { id } = await client.submitTask("noop", null);
    // oxlint-disable-next-line no-await-in-loop
    const job = await ended(client, id);
    waits.push((Date.now() - submittedAt) / 1000);
    hosts.add(job.hostname ?? "");
  }
  const { state } = await ended(client, long.id);
  const longest = Math.max(...waits);
  return {
    seen: {
      long_task: state,
      longest_wait_s: longest,
      median_wait_s: waits.toSorted((left, right) => left - right)[Math.floor(PROBES / 2)],
      workers: hosts.size,
    },
    as_expected: state === "success" && longest < 15,
  };
}

async function deployBesideTask(deployment: Deployed): Promise<Seen> {
  const { client } = deployment;
  const { id } = await client.submitTask("nap", { seconds: 240 });
  const before = await running(client, id);
  const deployedAt = Date.now();
  await deployment.deploy({ VERIFY_BUILD: String(deployedAt) });
  const job = await until(
    () => client.getJob(id, POLL_S),
    (one) => isOver(one) || one.try_number > before.try_number,
  );
  const noticedS = (Date.now() - deployedAt) / 1000;
  const last = await ended(client, id);
  const isLost = job.try_number > before.try_number;
  return {
    seen: {
      state: last.state,
      worker_lost: isLost,
      ...(isLost ? { next_try_after_deployment_s: noticedS } : {}),
      tries: last.try_number,
      error: last.error,
    },
    as_expected: last.state === "success",
  };
}

async function mapped(client: Client, dagId: string, conf: Record<string, unknown>): Promise<Seen> {
  const run = await runOf(client, dagId, conf);
  const instances = await client.listTaskInstances(dagId, run.dag_run_id);
  const again = instances.filter(({ try_number: tryNumber }) => tryNumber > 1);
  return {
    seen: {
      run: run.state,
      duration_s: run.duration,
      states: run.task_instance_counts,
      workers: new Set(instances.map(({ hostname }) => hostname)).size,
      more_than_one_try: again.length,
      errors: [...new Set(instances.flatMap(({ error }) => (error === null ? [] : [error.type])))],
    },
    as_expected: run.state === "success" && again.length === 0,
  };
}

async function wideRuns(client: Client): Promise<Seen> {
  const ids = Array.from({ length: WIDE_DAGS }, (_, number) => `wide_${number + 1}`);
  const runs = await Promise.all(ids.map((dagId) => runOf(client, dagId, { count: WIDEST })));
  return {
    seen: { runs: runs.map(({ state, duration }) => ({ state, duration_s: duration })) },
    as_expected: runs.every(({ state }) => state === "success"),
  };
}

async function roundTrips(deployment: Deployed, hint: string): Promise<Seen> {
  const plain = await trips(deployment.client, "plain");
  // Objects are made by their first call and stay where they are: the second round has others.
  await deployment.deploy({ LOCATION_HINT: hint });
  const hinted = await trips(deployment.client, "hinted");
  return { seen: { without_hint: plain, [`with ${hint}`]: hinted }, as_expected: null };
}

async function trips(client: Client, place: string): Promise<Record<string, number | null>> {
  const answer = await client.http.call("POST", "/api/v2/pools", { name: `verify_${place}`, slots: 1 });
  // 409: it is there since an earlier round.
  if (answer.status !== 201 && answer.status !== 409) {
    throw new Error(`POST /api/v2/pools: expected 201, got ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  const chain = await runOf(client, `chain_${place}`, {});
  const pooled = await runOf(client, `pooled_${place}`, { count: POOLED });
  return {
    hop_ms: chain.duration === null ? null : (chain.duration / HOPS) * 1000,
    turn_of_a_slot_ms: pooled.duration === null ? null : (pooled.duration / POOLED) * 1000,
  };
}

async function longPoll(client: Client): Promise<Seen> {
  const { id } = await client.submitTask("nap", { seconds: 90 });
  const askedAt = Date.now();
  const outcome = await client.http.call("GET", `/jobs/${id}?wait=60`).then(({ status }) => status, String);
  const seconds = (Date.now() - askedAt) / 1000;
  await ended(client, id);
  return { seen: { outcome, seconds }, as_expected: outcome === 200 && seconds > 55 };
}

async function runOf(client: Client, dagId: string, conf: Record<string, unknown>): Promise<DagRun> {
  const { dag_run_id: id } = await client.triggerRun(dagId, { conf });
  return until(
    () => client.getRun(dagId, id, POLL_S),
    ({ state }) => state === "success" || state === "failed",
  );
}

async function running(client: Client, id: string): Promise<Job> {
  return until(
    () => client.getJob(id, 1),
    ({ state }) => state === "running",
  );
}

async function ended(client: Client, id: string): Promise<Job> {
  return until(() => client.getJob(id, POLL_S), isOver);
}

function isOver({ state }: Job): boolean {
  return ["success", "failed", "skipped"].includes(state);
}

/** Asks again until it is so. An answer that fails once counts as none: the checks disturb the Worker on purpose. */
async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  let last: unknown = null;
  for (let poll = 0; poll < POLLS; poll += 1) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      const answer = await ask();
      if (isSo(answer)) {
        return answer;
      }
      last = answer;
    } catch (error) {
      last = String(error);
    }
  }
  throw new Error(`not so after ${POLLS} polls; the last answer: ${JSON.stringify(last)}`);
}
