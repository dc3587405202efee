/**
 * One attempt that runs in its `Job` object: the session of a consumer, for one task. What it says of itself goes straight into the
 * object's record; to the owner it beats once a minute, since the object itself proves that it lives.
 *
 * @module
 */
import { backoffMs } from "../engine/backoff.ts";
import { objectBeatMs } from "../engine/object-runs.ts";
import type { BeatAnswer, ClaimedTask, LogChunk, Outcome, Progress } from "../engine/work.ts";
import type { Service } from "../isolate/service.ts";
import { Attempt } from "./attempt.ts";
import type { Surroundings } from "./execute.ts";
import { handOver } from "./hand-over.ts";
import type { Beat, Owner, WorkSource } from "./owner.ts";
import { Reporter } from "./reporter.ts";
import { Session } from "./session.ts";

/** The record of the object, as far as the run of its attempt writes it. */
export interface ObjectRecord {
  /** The handler said how far it is, or logged these lines. Throws if that cannot be stored: it is brought again. */
  keep(progress: Progress | null, logs: LogChunk): void;
  /** The attempt is over, and its owner knows; or it obeyed a stop. */
  end(outcome: Outcome): void;
}

/** An attempt in an object. */
export class ObjectRun {
  readonly token: number;
  readonly #task: ClaimedTask;
  readonly #jobId: string;
  readonly #owner: Owner;
  readonly #around: Surroundings;
  readonly #record: ObjectRecord;
  readonly #session: Session;
  #stopped: Error | null = null;
  #isReported = false;
  /** When its owner last answered a beat, epoch milliseconds. */
  #beatAt = 0;

  /** @param jobId The object's name. */
  constructor(
    { task, jobId }: { task: ClaimedTask; jobId: string },
    owner: Owner,
    around: Surroundings,
    service: Service,
    record: ObjectRecord,
  ) {
    const { run_in: _, ...attempt } = task;
    this.token = task.token;
    // The job of the attempt is this object, a task instance's too.
    this.#task = { ...attempt, job_id: jobId };
    this.#jobId = jobId;
    this.#owner = owner;
    this.#around = around;
    this.#record = record;
    this.#session = new Session(this.#ownerHere(), around, { service, isInObject: true });
  }

  /** Runs the handler, once the owner knows of the object; resolves when the owner has the result and nothing of it is left. */
  async run(): Promise<void> {
    if (!(await this.#introduce())) {
      return;
    }
    const source = this.#source();
    await this.#session.run(source);
    if (source.left > 0) {
      await this.#giveBack();
    }
  }

  /** Stops the attempt: its handler has its signal, and nothing is reported. Its record is the caller's to end. */
  stop(reason: string): void {
    this.#stopped ??= new Error(reason);
    for (const attempt of this.#session.running) {
      attempt.cut(null, this.#stopped);
    }
  }

  /** Names the object to the owner, which answers whether the attempt is the current one and no other object has it. */
  async #introduce(): Promise<boolean> {
    for (let failures = 1; this.#stopped === null; failures += 1) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        const answer = await this.#beatOwner([{ task: this.#task, jobId: this.#jobId, progress: null }]);
        if (answer?.verdict === "stop") {
          this.#record.end(stopped(answer.reason));
          return false;
        }
        return this.#stopped === null;
      } catch (error) {
        console.warn({ event: "beat_failed", job_id: this.#jobId, failures, error: String(error) });
        const waitMs = backoffMs(failures, error);
        // oxlint-disable-next-line no-await-in-loop
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
    return false;
  }

  /** The isolate stops, and the handler never began: the same try comes again. */
  async #giveBack(): Promise<void> {
    const { now } = this.#around;
    const outcome = handOver(now());
    const attempt = new Attempt(this.#task, now());
    const execution = { outcome, xcoms: [], payloads: [], cleanUp: null };
    for await (const _ of new Reporter(this.#ownerHere(), now).report([{ attempt, execution }], () => 0)) {
      this.#record.end(outcome);
    }
  }

  #source(): WorkSource {
    const waiting = [this.#task];
    const { now } = this.#around;
    return {
      get left() {
        return waiting.length;
      },
      claim: async () => ({ tasks: waiting.splice(0), since: now() }),
      giveBack: () => undefined,
    };
  }

  async #beatOwner(beats: readonly Beat[]): Promise<BeatAnswer | undefined> {
    const at = this.#around.now();
    const [answer] = await this.#owner.beat(beats);
    this.#beatAt = at;
    return answer;
  }

  /** The owner, as the session sees it: what concerns the record stays here. */
  #ownerHere(): Owner {
    const owner = this.#owner;
    return {
      report: async (reports) => {
        // What follows goes by message: this object runs one attempt.
        await owner.report(reports, 0);
        this.#isReported = true;
        return [];
      },
      beat: async (beats) => {
        const isDue = this.#around.now() - this.#beatAt >= objectBeatMs(this.#task.heartrateMs);
        const answer = isDue ? await this.#beatOwner(beats) : undefined;
        return [answer ?? { verdict: "continue" }];
      },
      publish: async ({ progress, logs }) => {
        this.#record.keep(progress, logs);
        return { verdict: "continue", jobId: this.#jobId };
      },
      runInObject: (task, startDate) => owner.runInObject(task, startDate),
      ended: async (_task, _jobId, outcome) => {
        // A result that its owner refuses leaves the record as it is: the attempt is found to be gone.
        if (this.#isReported || isStop(outcome)) {
          this.#record.end(outcome);
        }
      },
      payloadPlace: (task) => owner.payloadPlace(task),
      pullXCom: (task, request) => owner.pullXCom(task, request),
    };
  }
}

function stopped(reason = "the attempt is no longer the current one"): Outcome {
  return { state: "failed", error: { type: "Stopped", message: reason }, retryable: false };
}

function isStop(outcome: Outcome): boolean {
  return outcome.state === "failed" && outcome.error.type === "Stopped";
}
