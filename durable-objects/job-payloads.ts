/**
 * What a standalone job's tries put into the bucket and the job does not keep. Most jobs have nothing of it, and no table.
 *
 * @module
 */
import type { JobRecord } from "../src/engine/job-machine.ts";
import { payloadsOf, type Report } from "../src/engine/work.ts";
import type { ChunkSql } from "./log-chunks.ts";
import { PayloadDeletions } from "./payload-deletions.ts";
import { PayloadStorage } from "./payload-storage.ts";

/** Deletions in the bucket, of one `Job` object. */
export class JobPayloads {
  readonly #storage: PayloadStorage;
  readonly #deletions: PayloadDeletions;
  #hasTable: boolean | null = null;

  constructor(sql: ChunkSql, bucket: R2Bucket, jobId: string) {
    this.#storage = new PayloadStorage(sql);
    this.#deletions = new PayloadDeletions(this.#storage, bucket, jobId);
  }

  /** Notes for deletion what a report brought and the job has not taken; call in the turn that took the report. */
  deleteUnkept({ result }: JobRecord, report: Pick<Report, "outcome" | "payloads">, now: number): void {
    const kept = result !== null && "r2" in result ? result.r2 : null;
    const unkept = payloadsOf(report).filter((key) => key !== kept);
    if (unkept.length > 0) {
      this.#storage.make();
      this.#hasTable = true;
      this.#deletions.add(unkept, now);
      this.#deletions.discard();
    }
  }

  /** When the earliest deletion is due (epoch ms), or null. */
  nextDue(): number | null {
    this.#hasTable ??= this.#storage.exists;
    return this.#hasTable ? this.#deletions.nextDue() : null;
  }

  /** Deletes what is due. */
  async run(now: number): Promise<void> {
    if (this.nextDue() !== null) {
      await this.#deletions.run(now);
    }
  }
}
