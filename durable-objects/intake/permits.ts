/**
 * How the jobs of an intake object get the permits they need: one step after the other, each stored before the next is taken.
 * Every call may be made twice; a call that fails or whose answer is lost is made again by the job's timer.
 *
 * @module
 */
import { awaitsPermits, goOnSeeking, type JobRecord } from "../../src/engine/job-machine.ts";
import type { OwnerAnswer } from "../../src/engine/permits/permit.ts";
import { takeGrant, takeTime, type PermitWish } from "../../src/engine/permits/wish.ts";
import { takeJobGrant, takeStep, unwantedOfJob } from "../job-permits.ts";
import type { IntakeCore } from "./core.ts";
import type { StoredJob } from "./storage.ts";

/** Seeks permits for jobs, and takes what is granted. */
export class JobPermits {
  readonly #core: IntakeCore;

  constructor(core: IntakeCore) {
    this.#core = core;
  }

  /** Takes the next step towards the permits of a job. */
  async seek(jobId: string): Promise<void> {
    const asking = this.#core.find(jobId, Date.now())?.job ?? null;
    if (asking === null || !awaitsPermits(asking)) {
      return;
    }
    try {
      const { token, held } = asking.wish;
      const result = await takeStep(this.#core.env, asking, asking.wish);
      // It may have been killed meanwhile, or have got further.
      const stored = this.#core.find(jobId, Date.now());
      if (stored === null || !isAsking(stored) || stored.job.wish.token !== token || stored.job.wish.held !== held) {
        return;
      }
      if (result === "waits") {
        this.#core.clearTimer(jobId);
        return;
      }
      if ("granted" in result) {
        takeGrant(stored.job.wish, result.granted);
      } else {
        takeTime(stored.job.wish, result.reserved, Date.now());
      }
      this.#goOn(stored);
    } catch (error) {
      console.warn({ event: "permits_not_sought", job_id: jobId, error: String(error) });
    }
  }

  granted(jobId: string, ledger: string, holders: readonly string[]): OwnerAnswer {
    const stored = this.#core.find(jobId, Date.now());
    const held = stored?.job.wish?.held;
    const answer = takeJobGrant(stored?.job ?? null, ledger, holders);
    if (stored !== null && stored.job.wish?.held !== held && isAsking(stored)) {
      this.#goOn(stored);
    }
    return answer;
  }

  unwanted(jobId: string, ledger: string, holders: readonly string[]): string[] {
    return unwantedOfJob(this.#core.find(jobId, Date.now())?.job ?? null, ledger, holders);
  }

  #goOn(stored: AskingJob): void {
    const now = Date.now();
    this.#core.save(stored, goOnSeeking(stored.job, now), now);
  }
}

interface AskingJob extends StoredJob {
  readonly job: JobRecord & { wish: PermitWish };
}

function isAsking(stored: StoredJob): stored is AskingJob {
  return awaitsPermits(stored.job);
}
