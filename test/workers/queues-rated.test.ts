/** Rate limits of queues, for tasks that name them by a role. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { ulid } from "ulid";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openCatalog } from "../../durable-objects/env.ts";
import { forgetRoles, ROLES_KEPT_MS } from "../../durable-objects/queues.ts";
import { task } from "../../src/sdk/index.ts";
import { clock, instancesOf, jobOf, objectEnv, runOf, start, stopClock, stubOf, value } from "./lab.ts";
import { permitCalls } from "./permit-calls.ts";
import { addDag, addTask, fresh, step } from "./registry.ts";

stopClock();

const LIMIT = 4;
const configured: unknown = Reflect.get(env, "QUEUES");

let tests = 0;

beforeEach(() => {
  // All use the same rate limit: each begins long after the one before.
  tests += 1;
  clock.advance(tests * 3_600_000);
  vi.spyOn(console, "warn").mockReturnValue();
  Reflect.set(env, "QUEUES", {
    default: { binding: "TASKS", queue: "jobbers-tasks" },
    heavy: {
      binding: "TASKS_HEAVY",
      queue: "jobbers-tasks-heavy",
      rate_limit: { limit: LIMIT, per_seconds: 1, burst: LIMIT },
    },
  });
});
afterEach(() => void Reflect.set(env, "QUEUES", configured));

async function queuedOf(dagId: string, runId: string): Promise<number> {
  // A lookup of roles, and what follows from it.
  for (let calls = 0; calls < 5; calls += 1) {
    await openCatalog(objectEnv).listRoles();
    await permitCalls.quiet();
    await runOf(dagId, runId);
  }
  return (await instancesOf(dagId, runId, "queued")).length;
}

function mapped(queue: string): string {
  return addDag({}, (d) => void d.expand(step("work", { queue }), { item: Array.from({ length: 20 }, (_, i) => i) }));
}

it("a role has its queue's rate from the first message on, after it was made and after every start", async () => {
  const role = fresh("role");
  value(await openCatalog(objectEnv).setRole(role, "heavy"));
  const dagId = mapped(role);
  const runId = await start(dagId);
  expect(await queuedOf(dagId, runId)).toBe(LIMIT);
  clock.advance(60_000);
  forgetRoles();
  await evictDurableObject(stubOf("DAG", dagId));
  const again = await start(dagId);
  const queued = (await queuedOf(dagId, runId)) - LIMIT + (await queuedOf(dagId, again));
  expect(queued).toBeGreaterThan(0);
  expect(queued).toBeLessThanOrEqual(LIMIT);
});

it("a role that was given another queue has that one's rate as soon as its messages go there", async () => {
  const role = fresh("role");
  value(await openCatalog(objectEnv).setRole(role, "default"));
  const dagId = mapped(role);
  expect(await queuedOf(dagId, await start(dagId))).toBe(20);
  value(await openCatalog(objectEnv).setRole(role, "heavy"));
  clock.advance(ROLES_KEPT_MS);
  expect(await queuedOf(dagId, await start(dagId))).toBe(LIMIT);
});

it("jobs that go by a role have its queue's rate from the first one on", async () => {
  const role = fresh("role");
  value(await openCatalog(objectEnv).setRole(role, "heavy"));
  const { id } = addTask(task({ id: fresh("work"), queue: role }, () => null));
  const jobs = Array.from({ length: 10 }, () => ulid());
  for (const jobId of jobs) {
    forgetRoles();
    value(await jobOf(jobId).submit({ job_id: jobId, name: id, payload: null, runAt: null }));
  }
  await permitCalls.quiet();
  const said = await Promise.all(jobs.map(async (jobId) => value(await jobOf(jobId).why()).causes[0]?.name ?? "sent"));
  expect(said.filter((name) => name === "sent")).toHaveLength(LIMIT);
  expect(said.filter((name) => name === "Rate Limit")).toHaveLength(10 - LIMIT);
});
