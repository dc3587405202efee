/**
 * The log of a try whose lines lie in two places: what heartbeats brought in the job that watches the try, what its report brought in
 * the object that owns the try.
 *
 * @module
 */
import type { LogPage, Result } from "../src/engine/objects.ts";
import type { TaskError } from "../src/engine/work.ts";
import { openJob, type ObjectEnv } from "./env.ts";
import { joinParts, type LogPart } from "./log-chunks.ts";
import type { Waiters } from "./waiters.ts";

/** What the owner knows of a try. */
export interface TryLogState {
  /** The job that watched it, or null. */
  jobId: string | null;
  goesOn: boolean;
  hostname: string | null;
  error: TaskError | null;
  part: LogPart;
}

/** A try's log, as its owner asks for it. */
export interface TryLogSource {
  env: ObjectEnv;
  waiters: Waiters;
  /** What is woken when the owner has more of it, or the try is over. */
  topic: string;
  look(): Result<TryLogState>;
  /** Says whether the owner would see something else now. */
  readonly hasChanged: (seen: TryLogState) => boolean;
}

/** Reads lines from `from` on; waits up to `waitMs` for some unless the try is over. */
export async function readTryLog(
  source: TryLogSource,
  tryNumber: number,
  from: number,
  waitMs: number,
): Promise<Result<LogPage>> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const seen = source.look();
    if (!seen.ok) {
      return seen;
    }
    const left = Math.max(0, deadline - Date.now());
    const patience = seen.value.goesOn && seen.value.part.lines.length === 0 ? left : 0;
    // What is seen is as it was before this call; whatever happens meanwhile is for the next look.
    const theirs = await askJob(source, tryNumber, from, seen.value, patience);
    const page = pageOf(seen.value, theirs, from);
    if (page.lines.length > 0 || page.isOver || left === 0) {
      return { ok: true, value: page };
    }
  }
}

/** What the job has, or nothing; waits for lines, or until there is something else to see at the owner. */
async function askJob(
  { env, waiters, topic, hasChanged }: TryLogSource,
  tryNumber: number,
  from: number,
  seen: TryLogState,
  waitMs: number,
): Promise<LogPage | null> {
  let isAnswered = false;
  const change = waiters.until(topic, waitMs, () => ({ value: null, done: isAnswered || hasChanged(seen) }));
  if (seen.jobId === null) {
    return change;
  }
  const asked = openJob(env, seen.jobId).readLog(tryNumber, from, waitMs);
  // A call that is not waited for any more may fail.
  asked.catch(() => undefined);
  try {
    const page = asked.then((answer) => (answer.ok && !isBare(answer.value) ? answer.value : change));
    return await Promise.race([page, ...(waitMs > 0 ? [change] : [])]);
  } finally {
    isAnswered = true;
    waiters.wake(topic);
  }
}

/** The job's watch is over and it has no more to tell: the rest is told here. */
function isBare({ lines, isOver }: LogPage): boolean {
  return isOver && lines.length === 0;
}

function pageOf({ part, goesOn: isOpen, hostname, error }: TryLogState, theirs: LogPage | null, from: number): LogPage {
  const { first, lines, isLast } = theirs === null ? part : joinParts(part, partOf(theirs, from));
  const isOver = !isOpen && isLast;
  return {
    lines,
    next: first + lines.length,
    isOver,
    dropped: first - from,
    hostname,
    error: isOver ? error : null,
  };
}

/** A job that was not told that its try is over says that there may be more; there is not if it has nothing now. */
function partOf({ lines, dropped, isOver }: LogPage, from: number): LogPart {
  return { first: from + dropped, lines, isLast: isOver || lines.length === 0 };
}
