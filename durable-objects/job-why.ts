/**
 * Why a job is where it is.
 *
 * @module
 */
import { explainWish, sayHeartbeat, sayInObject } from "../src/engine/explain-wait.ts";
import { asSentence, code, whenAndIn } from "../src/engine/explain-words.ts";
import { awaitsPermits, queueOfJob, STUCK_AFTER_MS, type JobRecord } from "../src/engine/job-machine.ts";
import type { WatchRecord } from "../src/engine/job-watch.ts";
import type { WhyView } from "../src/engine/objects.ts";
import { jobHolderName, jobOwnerName } from "../src/engine/permits/holders.ts";
import { describeStanding } from "../src/engine/queue-standing.ts";
import { isJobFinished } from "../src/engine/states.ts";
import { openPool, openRateLimiter, type ObjectEnv } from "./env.ts";
import { queueNamed } from "./queues.ts";
import { within } from "./within.ts";

/** The first reason in a sentence, and what keeps it. */
export async function whyJob(env: ObjectEnv, job: JobRecord, now: number): Promise<WhyView> {
  const causes = (await causesOf(env, job, now)).map(({ name, reason }) => ({ name, reason: asSentence(reason) }));
  return { state: job.state, reason: causes[0]?.reason ?? asSentence(standing(job, now)), causes };
}

/** How it stands with the try that a job watches. */
export function whyWatched(job: WatchRecord, now: number): WhyView {
  return { state: job.state, reason: asSentence(runningOrOver(job, now)), causes: [] };
}

async function causesOf(env: ObjectEnv, job: JobRecord, now: number): Promise<WhyView["causes"]> {
  const at = job.next_at ?? job.run_at ?? now;
  const when = whenAndIn(at, now);
  if (job.state === "up_for_retry") {
    return [{ name: "Not In Retry Period", reason: `the next retry is at ${when}` }];
  }
  if (job.state === "up_for_reschedule") {
    return [{ name: "Ready To Reschedule", reason: `the next reschedule is at ${when}` }];
  }
  if (job.state === "queued" && job.run_at !== null && job.run_at > now) {
    return [{ name: "Run At", reason: `it starts at ${when}, as asked` }];
  }
  if (!awaitsPermits(job)) {
    return job.state === "queued" ? unknownQueue(env, job, now) : [];
  }
  const { wish } = job;
  const cause = await explainWish(
    wish,
    {
      place: async (ledger) => {
        const answer = await within(openPool(env, ledger).explain(jobOwnerName(job.id), jobHolderName(wish.token)));
        return answer.ok ? answer.value : null;
      },
      slowedUntil: async (limiter) => (await within(openRateLimiter(env, limiter).peek())).slowed_until,
    },
    now,
  );
  return cause === null ? [] : [cause];
}

/** That its queue or role does not exist, so that nothing was sent; nothing if roles cannot be read. */
async function unknownQueue(env: ObjectEnv, job: JobRecord, now: number): Promise<WhyView["causes"]> {
  const name = queueOfJob(job);
  const queue = await within(queueNamed(env, name, now)).catch(() => name);
  const facts = { name, queue, heardAt: null, sends: job.sends, failsAt: job.queued_at + STUCK_AFTER_MS };
  return queue === null ? [{ name: "Worker Available", reason: describeStanding(facts, now) }] : [];
}

function standing(job: JobRecord, now: number): string {
  if (isJobFinished(job.state) || job.state === "running") {
    return runningOrOver(job, now);
  }
  const sent = job.sends === 1 ? "once" : `${job.sends} times`;
  return `it is queued since ${new Date(job.queued_at).toISOString()}; its message was sent ${sent} on ${code(queueOfJob(job))}, and no worker has taken it`;
}

function runningOrOver(job: JobRecord | WatchRecord, now: number): string {
  if (isJobFinished(job.state)) {
    const error = job.error === null ? "" : `: ${job.error.message}`;
    return `it is over since ${new Date(job.end_date ?? now).toISOString()} in the state ${code(job.state)}${error}`;
  }
  const beat = job.latest_heartbeat;
  const seen = beat === null ? "no heartbeat yet" : sayHeartbeat(beat, job.heartrateMs, now);
  const sign = job.in_object === true ? sayInObject(job.heartrateMs) : seen;
  return `it is running on ${job.hostname ?? "a worker"}, try ${job.try_number} of ${job.max_tries + 1}; ${sign}`;
}
