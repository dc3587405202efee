/**
 * Who is alive: Airflow's rules for a job's heartbeats, and the words for one that stopped.
 *
 * @module
 */
import type { JobState } from "./states.ts";
import type { Progress } from "./work.ts";

/** A beat that comes within so many heart rates of the one before is in time. */
export const PUNCTUAL_BEAT = 1.05;

/** How many heart rates a job may be silent before it counts as lost. */
export const GRACE_MULTIPLIER = 2.1;

/**
 * How often in a row a task whose worker is lost runs again at once, with one try more than it had. The platform ends workers as it
 * pleases, a few times a week: that is no failure of a task. One that brings its worker down each time must end all the same.
 */
export const FREE_WORKER_LOSSES = 2;

/** What liveness looks at; time in epoch milliseconds. */
export interface Heartbeating {
  state: JobState;
  latestHeartbeat: number | null;
}

/** Milliseconds of silence after which a job is lost, to the millisecond, so that deadline and test agree. */
function graceMs(heartrateMs: number, graceMultiplier: number): number {
  return Math.round(heartrateMs * graceMultiplier);
}

/** Says whether a job is alive: running, and its last beat less than `heartrateMs x graceMultiplier` ago. */
export function isAlive(
  job: Heartbeating,
  heartrateMs: number,
  now: number,
  graceMultiplier: number = GRACE_MULTIPLIER,
): boolean {
  return (
    job.state === "running" &&
    job.latestHeartbeat !== null &&
    now - job.latestHeartbeat < graceMs(heartrateMs, graceMultiplier)
  );
}

/** Epoch milliseconds from which a running job is lost if no further beat comes: the first at which it is not alive. */
export function livenessDeadline(latestHeartbeatMs: number, heartrateMs: number): number {
  return latestHeartbeatMs + graceMs(heartrateMs, GRACE_MULTIPLIER);
}

/** How an owner looks at leases: whether beats could reach it. Times in epoch milliseconds. */
export interface Look {
  /** When it began to look; from then it listened for beats that stood behind other work. */
  lookedAt: number;
  /** When the owner came to be: until then no beat could reach it. */
  openedAt: number;
  /** Milliseconds that listening took longer than it should have: what else its thread had to do. */
  lagMs: number;
}

/** A lease that has lapsed, as its owner finds it; times in epoch milliseconds. */
export interface LapsedLease {
  /** When the owner was to look at it: when it lapsed, or until when it was allowed more. */
  dueAt: number;
  now: number;
  heartrateMs: number;
  /** How often in a row it was allowed more for the owner's own lateness. */
  allowances: number;
}

/** How long an owner listens before it takes a worker for lost. */
export const LISTEN_MS = 250;
/** An owner that looks no later than this after the time is in time. */
const PUNCTUAL_MS = 50;
/** A beat that the owner was away for comes again within so many heart rates after its return. */
const RETURN_MULTIPLIER = 1.1;
/** What lateness is multiplied by: beats were held up as long as the owner was, and stand behind whatever else waited. */
const LATENESS_MULTIPLIER = 3;
/** How often in a row lateness excuses silence. An owner that gets as many turns would have heard a living worker. */
export const MOST_ALLOWANCES = 5;

/**
 * Decides about a lease that has lapsed: until when it holds all the same, or null if its worker is lost. The silence may be
 * the owner's own: if it was late to look, its thread was busy or blocked, and beats wait behind it; if it has just come
 * to be, beats could not reach it. Each allowance is at most 1.1 heart rates, and an owner that is in time gives none.
 */
export function allowedUntil({ dueAt, now, heartrateMs, allowances }: LapsedLease, look: Look): number | null {
  const { lookedAt, openedAt, lagMs } = look;
  const returned = Math.round(openedAt + heartrateMs * RETURN_MULTIPLIER);
  // One that came to be for this very look had slept, and would have been woken by a beat.
  const sleptTillNow = openedAt >= dueAt && openedAt <= dueAt + PUNCTUAL_MS;
  if (returned > dueAt && !sleptTillNow && now < returned) {
    return returned;
  }
  const latenessMs = Math.max(lookedAt - dueAt, lagMs);
  if (latenessMs <= PUNCTUAL_MS || allowances >= MOST_ALLOWANCES) {
    return null;
  }
  return now + Math.min(heartrateMs, latenessMs * LATENESS_MULTIPLIER);
}

/** What the decision to beat needs; times in epoch milliseconds. */
export interface BeatQuestion {
  latestHeartbeat: number | null;
  heartrateMs: number;
  now: number;
  /** Leave the beat out if the last one is not yet a heart rate old. Without it, one waits and then beats. */
  onlyIfNecessary: boolean;
}

/** Says whether `heartbeat(only_if_necessary)` beats at all. If it does, `beatDelayMs` says how long it waits first. */
export function shouldBeat(question: BeatQuestion): boolean {
  return !question.onlyIfNecessary || beatDelayMs(question) === 0;
}

/** Milliseconds until the last beat is a heart rate old: what keeps the heart rate steady. 0 if it is due. */
export function beatDelayMs({ latestHeartbeat, heartrateMs, now }: Omit<BeatQuestion, "onlyIfNecessary">): number {
  return latestHeartbeat === null ? 0 : Math.max(0, latestHeartbeat + heartrateMs - now);
}

/** What choosing among jobs looks at. */
export interface JobCandidate {
  job_type: string;
  state: JobState;
  /** Epoch milliseconds. */
  latest_heartbeat: number | null;
}

/**
 * The most recent job of a type: running ones before all others, then the latest heartbeat; one that never beat comes
 * last. Of equals, the first given. Undefined if there is none of that type. Does not ask whether it is alive.
 */
export function mostRecentJob<J extends JobCandidate>(jobs: Iterable<J>, jobType: string): J | undefined {
  let best: J | undefined;
  for (const job of jobs) {
    if (job.job_type === jobType && (best === undefined || isMoreRecent(job, best))) {
      best = job;
    }
  }
  return best;
}

function isMoreRecent(job: JobCandidate, other: JobCandidate): boolean {
  const running = job.state === "running";
  if (running !== (other.state === "running")) {
    return running;
  }
  return (job.latest_heartbeat ?? -Infinity) > (other.latest_heartbeat ?? -Infinity);
}

/** What is known of a job that was lost; times in epoch milliseconds. */
export interface LostJob {
  lastBeat: number | null;
  heartrateMs: number;
  now: number;
  /** Times of the beats that were kept, the oldest first. */
  beats?: readonly number[];
  /** What it last said of its progress. */
  progress: Progress | null;
}

/**
 * Says in a sentence or two how a job was lost: the last beat, the heart rate it promised, gaps before it, its last
 * words.
 *
 * @example
 * postMortem({ lastBeat: 0, heartrateMs: 5000, now: 10_500, progress: null });
 * // "No heartbeat for 10.5 s (last at 1970-01-01T00:00:00.000Z; expected every 5 s, allowed 10.5 s)."
 */
export function postMortem({ lastBeat, heartrateMs, now, beats = [], progress }: LostJob): string {
  const allowed = `expected every ${inSeconds(heartrateMs)}, allowed ${inSeconds(graceMs(heartrateMs, GRACE_MULTIPLIER))}`;
  const silence =
    lastBeat === null
      ? `No heartbeat ever came (${allowed})`
      : `No heartbeat for ${inSeconds(now - lastBeat)} (last at ${new Date(lastBeat).toISOString()}; ${allowed})`;
  const gap = longestGap(beats);
  const gaps = gap > heartrateMs ? `; the longest gap before was ${inSeconds(gap)}` : "";
  const said = progress === null ? "" : describeProgress(progress);
  return `${silence}${gaps}.${said === "" ? "" : ` Last progress: ${said}.`}`;
}

function longestGap(beats: readonly number[]): number {
  let longest = 0;
  let previous: number | undefined;
  for (const beat of beats) {
    longest = Math.max(longest, beat - (previous ?? beat));
    previous = beat;
  }
  return longest;
}

/** A progress in a few words; empty if it says nothing. */
export function describeProgress({ step, fraction }: Progress): string {
  const parts: string[] = [];
  if (step !== undefined) {
    parts.push(`at step '${step.length > 200 ? `${step.slice(0, 200)}…` : step}'`);
  }
  if (fraction !== undefined) {
    parts.push(`${Math.round(fraction * 100)} %`);
  }
  return parts.join(", ");
}

function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`;
}
