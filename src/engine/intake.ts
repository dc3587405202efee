/**
 * The intake objects: a fixed number of them keep all standalone jobs, each those whose ids fall to it. A job that is over
 * within its first heartbeat is a row there and nothing else.
 *
 * @module
 */
import type { Result } from "./result.ts";
import type { OwnerAnswer } from "./permits/permit.ts";
import type { LogPage, WhyView } from "./objects.ts";
import type {
  AttemptStanding,
  BeatAnswer,
  ClaimedTask,
  JobSubmission,
  JobView,
  Outcome,
  Progress,
  Report,
  Verdict,
  WorkerIdentity,
} from "./work.ts";

/**
 * What numbers them: the digits of a ULID. There are 32, which carry some thousands of jobs a second on Cloudflare, where one object
 * commits a few hundred times a second.
 */
export const INTAKE_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const PREFIX = "intake/";
/** A digit of a batch's key that is made from the whole batch id; its last ones are all zero. */
const BATCH_DIGIT = 12;

/** The name of the intake object with a digit. */
export function intakeNamed(digit: string): string {
  return `${PREFIX}${digit}`;
}

/** The name of the intake object that keeps a job, by the last digit of its id, which is random in a ULID. */
export function intakeName(jobId: string): string {
  return intakeNamed(jobId.charAt(jobId.length - 1));
}

/** The name of the intake object that knows of a bulk submission, by its batch key. */
export function batchIntakeName(batchKey: string): string {
  return intakeNamed(batchKey.charAt(BATCH_DIGIT));
}

/**
 * Gives the id of a new job the digit of an intake object. An isolate stays with one while it has little to do, so that its jobs
 * share commits, and spreads over more as more of its submissions wait for an answer.
 *
 * @param preferred Number of the isolate's first choice.
 */
export function assignIntake(jobId: string, preferred: number, waiting: number): string {
  const index = (preferred + Math.floor(waiting / WAITING_PER_INTAKE)) % INTAKE_DIGITS.length;
  return jobId.slice(0, -1) + INTAKE_DIGITS.charAt(index);
}

/** Submissions waiting for an answer that one intake object takes. */
const WAITING_PER_INTAKE = 64;

/** Says whether an object's name is that of an intake object; no DAG, bulk submission or pool has such a name. */
export function isIntakeName(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** What an id stands for whose object is another one. */
export type LinkKind = "batch" | "watch";

/** A sign of life of one try. */
export interface JobBeat {
  job_id: string;
  token: number;
  /** The try has a `Job` object by now. */
  is_watched: boolean;
  /** Where that object runs the try, if it does: the beat is its own. */
  object_host?: string;
  /** Where it is, for the post-mortem: step and fraction. */
  progress?: Progress;
}

/** A job that was submitted. */
export interface Submitted {
  job: JobView;
  /** False if it was there already. */
  created: boolean;
}

/** A job that one call asks about. Methods are idempotent unless they say otherwise. */
export interface IntakeObject {
  /**
   * Makes jobs and queues them, in one transaction; answers in their order. The same id again answers the job that exists
   * (`created: false`).
   */
  submit(submissions: readonly JobSubmission[]): Promise<Result<Submitted>[]>;
  /** The job, once it is over or `waitMs` have passed; not_found if this object knows no such id. */
  get(jobId: string, waitMs: number): Promise<Result<JobView>>;
  why(jobId: string): Promise<Result<WhyView>>;
  kill(jobId: string, reason: string): Promise<Result<JobView>>;
  /** Progress over HTTP, which keeps no attempt alive: not_found, or conflict if the job is not running. */
  heartbeat(jobId: string, progress: Progress | null): Promise<Result<JobView>>;
  /** The log of one try from line `from` on; `waitMs` as in `DagObject.readLog`. */
  readLog(jobId: string, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>>;

  /** Gives the jobs among these that the worker may run, in one transaction. A second message of the same job gets nothing. */
  claim(jobIds: readonly string[], worker: WorkerIdentity): Promise<ClaimedTask[]>;
  /** Takes the results of tries, fenced by their tokens, in one transaction. */
  report(reports: readonly Report[]): Promise<Verdict[]>;

  /** Beats of running tries, fenced: renews their leases, and says for each whether to go on. */
  beat(beats: readonly JobBeat[]): Promise<BeatAnswer[]>;

  /**
   * How a try stands, asked by its `Job` object when it has heard nothing for too long; it brings the progress it knows. Here it is
   * decided whether the worker is lost.
   */
  attemptStanding(jobId: string, token: number, progress: Progress | null): Promise<AttemptStanding>;

  /** The try's handler died with the memory of the `Job` object that ran it. Answers how the try stands after that. Fenced; idempotent. */
  attemptEnded(jobId: string, token: number, outcome: Outcome): Promise<AttemptStanding>;

  /** As `PermitOwner`, for one job. */
  permitsGranted(jobId: string, ledger: string, holders: string[]): Promise<OwnerAnswer>;
  permitsUnwanted(jobId: string, ledger: string, holders: string[]): Promise<string[]>;

  /** Notes that an id exists whose object is another one: a bulk submission's, or the job that watches a task instance. */
  link(id: string, kind: LinkKind): Promise<void>;
  /** Says whether an id of that kind was linked. */
  isLinked(id: string, kind: LinkKind): Promise<boolean>;

  /** Does what is due and has not happened; gives when there is something to do next (epoch ms), or null. */
  wake(): Promise<number | null>;
}
