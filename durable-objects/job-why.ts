/**
 * Why a job is where it is.
 *
 * @module
 */
import { explainWish } from "../src/engine/explain-wait.ts";
import { awaitsPermits, type JobRecord } from "../src/engine/job-machine.ts";
import type { WatchRecord } from "../src/engine/job-watch.ts";
import type { WhyView } from "../src/engine/objects.ts";
import { jobHolderName, jobOwnerName } from "../src/engine/permits/holders.ts";
import { isJobFinished } from "../src/engine/states.ts";
import { openPool, type ObjectEnv } from "./env.ts";
import { within } from "./within.ts";

/** The first reason in a sentence, and what keeps it. */
export async function whyJob(env: ObjectEnv, job: JobRecord, now: number): Promise<WhyView> {
  const causes = await causesOf(env, job, now);
  return { state: job.state, reason: causes[0]?.reason ?? standing(job, now), causes };
}

/** How it stands with the try that a job watches. */
export function whyWatched(job: WatchRecord, now: number): WhyView {
  return { state: job.state, reason: runningOrOver(job, now), causes: [] };
}

async function causesOf(env: ObjectEnv, job: JobRecord, now: number): Promise<WhyView["causes"]> {
  const at = job.next_at ?? job.run_at ?? now;
  const when = `${new Date(at).toISOString()}, in ${Math.max(0, at - now) / 1000} s`;
  if (job.state === "up_for_retry") {
    return [{ name: "Not In Retry Period", reason: `The next retry is at ${when}.` }];
  }
  if (job.state === "up_for_reschedule") {
    return [{ name: "Ready To Reschedule", reason: `The next reschedule is at ${when}.` }];
  }
  if (job.state === "queued" && job.run_at !== null && job.run_at > now) {
    return [{ name: "Run At", reason: `It was submitted for ${when}.` }];
  }
  if (!awaitsPermits(job)) {
    return [];
  }
  const { wish } = job;
  const cause = await explainWish(
    wish,
    async (ledger) => {
      const answer = await within(openPool(env, ledger).explain(jobOwnerName(job.id), jobHolderName(wish.token)));
      return answer.ok ? answer.value : null;
    },
    now,
  );
  return cause === null ? [] : [cause];
}

function standing(job: JobRecord, now: number): string {
  if (isJobFinished(job.state) || job.state === "running") {
    return runningOrOver(job, now);
  }
  const sent = job.sends === 1 ? "once" : `${job.sends} times`;
  return `It is queued since ${new Date(job.queued_at).toISOString()}; its message was sent ${sent}, and no worker has taken it.`;
}

function runningOrOver(job: JobRecord | WatchRecord, now: number): string {
  const beat = job.latest_heartbeat;
  if (isJobFinished(job.state)) {
    const error = job.error === null ? "" : `: ${job.error.message}`;
    return `It is over since ${new Date(job.end_date ?? now).toISOString()} in the state '${job.state}'${error}.`;
  }
  const sign = beat === null ? "it has not beaten yet" : `its last heartbeat was ${(now - beat) / 1000} s ago`;
  return `It is running on ${job.hostname ?? "a worker"}, try ${job.try_number} of ${job.max_tries + 1}; ${sign}.`;
}
