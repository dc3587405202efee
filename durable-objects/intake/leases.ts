/**
 * The leases of the tries that run, in memory alone: a beat writes nothing. What an object does not remember after it was evicted
 * counts from its waking.
 *
 * @module
 */
import type { JobBeat } from "../../src/engine/intake.ts";
import { leaseRateOf, type JobRecord } from "../../src/engine/job-machine.ts";
import { allowedUntil, LISTEN_MS, livenessDeadline, MOST_ALLOWANCES } from "../../src/engine/liveness.ts";
import type { Progress } from "../../src/engine/work.ts";

/** What is known of one running try; times in epoch milliseconds. */
interface Lease {
  readonly token: number;
  readonly heartrateMs: number;
  lastBeat: number;
  /** Until when silence is excused; null if it is not. */
  excusedUntil: number | null;
  /** Since when the object listens, after the lease has lapsed, for beats that stand behind its other work; null if it does not. */
  listensSince: number | null;
  /** How often in a row it was. */
  allowances: number;
  /** What a beat last said of the progress. */
  progress: Progress | null;
  /** The row says that the try has a `Job` object. */
  isWatched: boolean;
}

/** Each allowance may follow a time of listening. An object that is evicted again and again must not excuse for ever. */
const MOST_EXCUSES = 2 * MOST_ALLOWANCES;

/** Leases of running tries. */
export class Leases {
  readonly #leases = new Map<string, Lease>();

  /** Renews the lease of a try. False if the row of its job must be looked at, because it is not known or has changed. */
  beat({ job_id: jobId, token, is_watched: isWatched, progress }: JobBeat, now: number): boolean {
    const lease = this.#leases.get(jobId);
    if (lease?.token !== token) {
      return false;
    }
    const wasExcused = lease.excusedUntil !== null || lease.listensSince !== null;
    lease.lastBeat = now;
    lease.excusedUntil = null;
    lease.listensSince = null;
    lease.allowances = 0;
    lease.progress = progress ?? lease.progress;
    return !wasExcused && (lease.isWatched || !isWatched);
  }

  /** A try runs: its lease begins, or is taken up after the object was evicted. */
  start(job: JobRecord, lastBeat: number): Lease {
    const { id, fence, is_watched: isWatched = false } = job;
    const before = this.#leases.get(id);
    const lease: Lease = {
      token: fence,
      heartrateMs: leaseRateOf(job),
      lastBeat,
      excusedUntil: null,
      listensSince: null,
      allowances: 0,
      progress: before?.token === fence ? before.progress : null,
      isWatched,
    };
    this.#leases.set(id, lease);
    return lease;
  }

  /** When the lease of a running try ends if no further beat comes, and its heartrate; null if none is known. */
  endOf(jobId: string): { at: number; heartrateMs: number } | null {
    const lease = this.#leases.get(jobId);
    const { lastBeat, heartrateMs } = lease ?? {};
    return lastBeat === undefined || heartrateMs === undefined
      ? null
      : { at: livenessDeadline(lastBeat, heartrateMs), heartrateMs };
  }

  /** The try is over. */
  end(jobId: string): void {
    this.#leases.delete(jobId);
  }

  /** A running job as it is known: with its last beat, and the progress that came with it. */
  seen(job: JobRecord): JobRecord {
    const lease = this.#leases.get(job.id);
    if (lease?.token !== job.fence || job.state !== "running") {
      return job;
    }
    const latest = Math.max(lease.lastBeat, job.latest_heartbeat ?? 0);
    return { ...job, latest_heartbeat: latest, progress: lease.progress ?? job.progress };
  }

  /**
   * When the lease of a running try is to be looked at again; null if its worker is lost. A time after the deadline of its last
   * beat must be stored as the job's `next_at`, so that an eviction does not excuse the same silence once more.
   *
   * @param openedAt When the object came to be.
   */
  lapsesAt(job: JobRecord, now: number, openedAt: number): number | null {
    const lease = this.#leaseOf(job, now);
    const dueAt = lease.excusedUntil ?? livenessDeadline(lease.lastBeat, leaseRateOf(job));
    if (now < dueAt) {
      return dueAt;
    }
    if ((job.excuses ?? 0) >= MOST_EXCUSES) {
      return null;
    }
    // An object that was not there heard nothing else, behind which a beat could stand.
    const isNew = openedAt >= dueAt;
    const lookedAt = isNew ? now : lease.listensSince;
    if (lookedAt === null || (!isNew && now < lookedAt + LISTEN_MS)) {
      lease.listensSince ??= now;
      return lease.listensSince + LISTEN_MS;
    }
    const heartrateMs = leaseRateOf(job);
    const look = { lookedAt, openedAt, lagMs: isNew ? 0 : now - lookedAt - LISTEN_MS };
    lease.excusedUntil = allowedUntil({ dueAt, now, heartrateMs, allowances: lease.allowances }, look);
    lease.listensSince = null;
    lease.allowances += 1;
    return lease.excusedUntil;
  }
  /** The lease of a running try, taken up from its row if the object was evicted. */
  #leaseOf(job: JobRecord, now: number): Lease {
    const known = this.#leases.get(job.id);
    if (known?.token === job.fence) {
      return known;
    }
    const lastBeat = job.latest_heartbeat ?? job.start_date ?? now;
    const isExcused = job.next_at !== null && job.next_at > livenessDeadline(lastBeat, leaseRateOf(job));
    const lease = this.start(job, lastBeat);
    lease.excusedUntil = isExcused ? job.next_at : null;
    return lease;
  }
}
