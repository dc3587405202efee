/**
 * The product with the benchmark's DAGs, and routes that count rows and wakes. It is served on a loopback address with state
 * that is thrown away, and never deployed.
 *
 * @module
 */
import { createJobbers } from "../src/jobbers.ts";
import type { JobbersEnv } from "../src/jobbers.ts";
import { registry } from "./dags.ts";

const jobbers = createJobbers(registry);
export class Dag extends jobbers.Dag {
  readonly #wokeAt = Date.now();

  /** When the object came into memory (epoch ms). */
  async wokeAt(): Promise<number> {
    return this.#wokeAt;
  }
}
export class Job extends jobbers.Job {}
export class Catalog extends jobbers.Catalog {}
export class Pool extends jobbers.Pool {}
export class RateLimiter extends jobbers.RateLimiter {}
export class LoginGuard extends jobbers.LoginGuard {}

interface BenchEnv extends JobbersEnv {
  DAG: DurableObjectNamespace<Dag>;
  JOB: DurableObjectNamespace<Job>;
  POOL: DurableObjectNamespace<Pool>;
}

/** Rows that objects wrote since they woke: `POST /bench/rows`. */
async function countRows(request: Request, env: BenchEnv): Promise<Response> {
  const { dags, jobs, ledgers }: { dags: string[]; jobs: string[]; ledgers: string[] } = await request.json();
  const counts = await Promise.all([
    ...dags.map(async (name) => env.DAG.getByName(name).rowsWritten()),
    ...jobs.map(async (id) => env.JOB.getByName(id).rowsWritten()),
    ...ledgers.map(async (name) => env.POOL.getByName(name).rowsWritten()),
  ]);
  return Response.json({ rows: counts.reduce((sum, count) => sum + count, 0) });
}

/** When the objects of DAGs came into memory: `POST /bench/wakes`. One that was not there comes by being asked. */
async function readWakes(request: Request, env: BenchEnv): Promise<Response> {
  const { dags }: { dags: string[] } = await request.json();
  return Response.json({ times: await Promise.all(dags.map(async (name) => env.DAG.getByName(name).wokeAt())) });
}

export default {
  ...jobbers.handler,
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/bench/wakes") {
      return readWakes(request, env);
    }
    return pathname === "/bench/rows" ? countRows(request, env) : jobbers.handler.fetch(request, env, ctx);
  },
} satisfies ExportedHandler<BenchEnv, Parameters<typeof jobbers.handler.queue>[0]["messages"][number]["body"]>;
