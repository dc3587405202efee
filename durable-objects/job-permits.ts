/**
 * How the object of a job gets the permits its task needs, one step after the other, and gives them back. Each step is stored
 * before the next is taken; every call may be made twice.
 *
 * @module
 */
import type { JobRecord } from "../src/engine/job-machine.ts";
import { jobHolderName, jobOwnerName } from "../src/engine/permits/holders.ts";
import type { OwnerAnswer } from "../src/engine/permits/permit.ts";
import { parseLedgerName } from "../src/engine/permits/names.ts";
import { ledgersToRelease, nextStep, takeGrant, wants, type PermitWish } from "../src/engine/permits/wish.ts";
import { LEASE_MS } from "./dag/permit-desk.ts";
import { openPool, openRateLimiter, type ObjectEnv } from "./env.ts";

/** Takes the next step of a job's wish, as far as calls go. What came of it is in the record, which the caller stores. */
export async function takeStep(env: ObjectEnv, job: JobRecord, wish: PermitWish): Promise<StepResult> {
  const owner = jobOwnerName(job.id);
  const holder = jobHolderName(wish.token);
  const step = nextStep(wish, Date.now());
  if (step.kind === "ask") {
    const { ledger, slots, limit } = step.need;
    const request = { holder, slots, priority: job.priority, requestedAt: job.queued_at, leaseMs: LEASE_MS };
    const change = { ...(limit === undefined ? {} : { limit }), ask: [request] };
    const { granted } = await openPool(env, ledger).exchange(owner, change);
    return granted.includes(holder) ? { granted: ledger } : "waits";
  }
  if (step.kind === "reserve") {
    const id = reservationId(job.id, wish);
    const times = await Promise.all(
      step.rates.map(({ limiter, rule }) => openRateLimiter(env, limiter).reserve([id], rule)),
    );
    return { reserved: Math.max(...times.flat()) };
  }
  return "waits";
}

/** What came of a step: it waits for a word or a time, or got on. */
export type StepResult = "waits" | { granted: string } | { reserved: number };

/** Takes word of a ledger for a job. */
export function takeJobGrant(job: JobRecord | null, ledger: string, holders: readonly string[]): OwnerAnswer {
  const wish = job?.wish ?? null;
  const wanted = wish === null ? null : jobHolderName(wish.token);
  // Word about an earlier try is none about this one.
  const isWanted =
    wish !== null && holders.includes(jobHolderName(wish.token)) && takeGrant(wish, ledger) !== "unwanted";
  return {
    unwanted: holders.filter((holder) => !isWanted || holder !== wanted),
    running: holders.filter((holder) => isWanted && holder === wanted && job?.state === "running"),
  };
}

/** Which holders are of no wish that a job has in a ledger. */
export function unwantedOfJob(job: JobRecord | null, ledger: string, holders: readonly string[]): string[] {
  const wish = job?.wish ?? null;
  return holders.filter(
    (holder) => wish === null || holder !== jobHolderName(wish.token) || !wants(wish, wish.token, ledger),
  );
}

/** Gives back what a wish holds or asked for. */
export async function releaseWish(env: ObjectEnv, jobId: string, wish: PermitWish, now: number): Promise<void> {
  const owner = jobOwnerName(jobId);
  const holder = jobHolderName(wish.token);
  try {
    await Promise.all([
      ...ledgersToRelease(wish).map((ledger) => openPool(env, ledger).exchange(owner, { release: [holder] })),
      ...(wish.at !== null && wish.at > now ? wish.rates : []).map(({ limiter }) =>
        openRateLimiter(env, limiter).cancel([reservationId(jobId, wish)]),
      ),
    ]);
  } catch (error) {
    // The ledger asks after half a lease whether it is still wanted.
    console.warn({ event: "ledger_not_reached", job_id: jobId, error: String(error) });
  }
}

/** Slows down the keys of a wish whose handler was told to come back later. */
export async function slowDownKeys(env: ObjectEnv, jobId: string, wish: PermitWish, until: number): Promise<void> {
  try {
    const keys = wish.rates.filter(({ limiter }) => parseLedgerName(limiter).kind === "key");
    await Promise.all(keys.map(({ limiter }) => openRateLimiter(env, limiter).slowDown(until)));
  } catch (error) {
    console.warn({ event: "rate_limit_not_reached", job_id: jobId, error: String(error) });
  }
}

/** The name under which a wish has its time. */
function reservationId(jobId: string, { token, rateToken }: PermitWish): string {
  return `${jobOwnerName(jobId)} ${jobHolderName(rateToken ?? token)}`;
}
