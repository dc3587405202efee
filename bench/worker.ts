/**
 * The product with the benchmark's DAGs, and routes that count rows and wakes. It is served on a loopback address with state
 * that is thrown away, and never deployed.
 *
 * @module
 */
import { openDag, type ObjectEnv } from "../durable-objects/env.ts";
import type { WorkBatch } from "../queues/tasks.ts";
import { createJobbers } from "../src/jobbers.ts";
import type { JobbersEnv } from "../src/jobbers.ts";
import { alive, ALIVE, registry } from "./dags.ts";

const jobbers = createJobbers(registry);
export class Dag extends jobbers.Dag {
  readonly #wokeAt = Date.now();

  /** When the object came into memory (epoch ms). */
  async wokeAt(): Promise<number> {
    return this.#wokeAt;
  }
}
export class Job extends jobbers.Job {}
export class Intake extends jobbers.Intake {}
export class Catalog extends jobbers.Catalog {}
export class Pool extends jobbers.Pool {}
export class RateLimiter extends jobbers.RateLimiter {}
export class LoginGuard extends jobbers.LoginGuard {}

const ALIVE_TASKS = new Set<string>(Object.values(ALIVE).map(({ dagId }) => `${dagId}_each`));

interface BenchEnv extends JobbersEnv {
  DAG: DurableObjectNamespace<Dag>;
  INTAKE: DurableObjectNamespace<Intake>;
  POOL: DurableObjectNamespace<Pool>;
}

/** Rows that objects wrote since they woke: `POST /bench/rows`. */
async function countRows(request: Request, env: BenchEnv): Promise<Response> {
  const { dags, intakes, ledgers }: { dags: string[]; intakes: string[]; ledgers: string[] } = await request.json();
  const counts = await Promise.all([
    ...dags.map(async (name) => env.DAG.getByName(name).rowsWritten()),
    ...intakes.map(async (name) => env.INTAKE.getByName(name).rowsWritten()),
    ...ledgers.map(async (name) => env.POOL.getByName(name).rowsWritten()),
  ]);
  return Response.json({ rows: counts.reduce((sum, count) => sum + count, 0) });
}

/** When the objects of DAGs came into memory: `POST /bench/wakes`. One that was not there comes by being asked. */
async function readWakes(request: Request, env: BenchEnv): Promise<Response> {
  const { dags }: { dags: string[] } = await request.json();
  return Response.json({ times: await Promise.all(dags.map(async (name) => env.DAG.getByName(name).wokeAt())) });
}

/** Attempts since the last call: `POST /bench/alive`. The next batch of work loses one message to a worker that is never heard again. */
function readAlive(): Response {
  const times = [...alive.begun.values()];
  const seen = { begun: times.length, twice: times.filter((count) => count > 1).length, most: alive.most };
  alive.begun.clear();
  alive.most = alive.now;
  isOneLost = false;
  return Response.json(seen);
}

let isOneLost = true;

/** Claims one of the tasks that wait, as a worker that dies before it begins. */
async function loseOne(batch: WorkBatch, env: ObjectEnv): Promise<void> {
  const [message] = batch.messages.filter(({ body }) => "task_id" in body && ALIVE_TASKS.has(body.task_id));
  if (!isOneLost && message !== undefined && "task_id" in message.body) {
    isOneLost = true;
    await openDag(env, message.body.dag_id).claim([message.body], { hostname: "silent", unixname: "bench" });
  }
}

export class LocalQueue extends jobbers.LocalQueue {
  override async consume(batch: WorkBatch): Promise<void> {
    await loseOne(batch, this.env);
    await super.consume(batch);
  }
}

export default {
  ...jobbers.handler,
  async queue(batch, env, ctx) {
    await loseOne(batch, env);
    await jobbers.handler.queue(batch, env, ctx);
  },
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/bench/wakes") {
      return readWakes(request, env);
    }
    if (pathname === "/bench/alive") {
      return readAlive();
    }
    return pathname === "/bench/rows" ? countRows(request, env) : jobbers.handler.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv, Parameters<typeof jobbers.handler.queue>[0]["messages"][number]["body"]>;
