/**
 * Submissions of single tasks on their way to the intake objects. While many wait, those that come within one turn of the event loop
 * share one call, one commit and one message to the queue; an only one waits for nothing.
 *
 * @module
 */
import { intakeName, type Submitted } from "../engine/intake.ts";
import type { Result } from "../engine/result.ts";
import type { JobSubmission } from "../engine/work.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { intakeObject } from "./objects.ts";
import { TAKE_TURNS_FROM } from "./overload.ts";

/** Submissions in one call: with 128 KiB each, well below the 32 MiB that a call may have. */
const MAX_TOGETHER = 100;
/** How long a submission waits for the call of another request, which may have died with its isolate. */
const GIVE_UP_MS = 30_000;

type Answers = readonly Result<Submitted>[];

/** Submissions that leave in one call. */
interface Batch {
  readonly submissions: JobSubmission[];
  readonly answers: Promise<Answers>;
}

/** Of this isolate, by the intake objects' names: those whose call has not begun. */
const open = new Map<string, Batch>();

/**
 * Hands a submission to the intake object that its id says.
 *
 * @param waiting Submissions that wait for their answer in this isolate, this one included.
 * @param waitUntil Keeps a call going that others wait for, although the client of the request that makes it has left.
 * @throws ApiError 503 if another request had it in its call, and that was never answered.
 */
export async function submitJob(
  env: ApiEnv,
  submission: JobSubmission,
  waiting: number,
  waitUntil: (work: Promise<unknown>) => void,
): Promise<Result<Submitted>> {
  if (waiting < TAKE_TURNS_FROM) {
    return first(await intakeObject(env, submission.job_id).submit([submission]));
  }
  const name = intakeName(submission.job_id);
  const batch = open.get(name);
  if (batch === undefined || batch.submissions.length >= MAX_TOGETHER) {
    const submissions = [submission];
    const answers = afterThisTurn(env, name, submissions);
    open.set(name, { submissions, answers });
    waitUntil(answers.catch(() => undefined));
    return first(await answers);
  }
  const position = batch.submissions.push(submission) - 1;
  return first((await ofAnotherRequest(batch.answers)).slice(position));
}

/** Makes the call once the requests that came with this one have added theirs. */
async function afterThisTurn(env: ApiEnv, name: string, submissions: JobSubmission[]): Promise<Answers> {
  await scheduler.wait(0);
  if (open.get(name)?.submissions === submissions) {
    open.delete(name);
  }
  const [{ job_id: anyId }] = submissions as [JobSubmission];
  return intakeObject(env, anyId).submit(submissions);
}

/** Waits for a promise of another request. The runtime ends a request that waits for nothing of its own: hence the timer. */
async function ofAnotherRequest(answers: Promise<Answers>): Promise<Answers> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const gaveUp = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new ApiError(503, "the task may have been taken or not; submit it again with the same id")),
      GIVE_UP_MS,
    );
  });
  try {
    return await Promise.race([answers, gaveUp]);
  } finally {
    clearTimeout(timer);
  }
}

function first(answers: Answers): Result<Submitted> {
  const [answer] = answers;
  if (answer === undefined) {
    throw new Error("an intake object left a submission without an answer");
  }
  return answer;
}
