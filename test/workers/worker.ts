/**
 * The Worker under test: the product over the tests' registry. What the objects send to the queue is
 * kept in `mailbox`, and a test hands it on as often and in which order it wants, unless the mailbox is `live`.
 *
 * @module
 */
import type { ObjectEnv } from "../../durable-objects/env.ts";
import type { WorkBatch } from "../../queues/tasks.ts";
import type { AdoptionRequest, RunRequest } from "../../src/engine/objects.ts";
import type {
  AttemptBeat,
  BeatAnswer,
  ClaimedTask,
  Outcome,
  Report,
  ReportAnswer,
  TaskInstanceKey,
  Verdict,
  WorkerIdentity,
} from "../../src/engine/work.ts";
import { createJobbers } from "../../src/jobbers.ts";
import { bucketFaults } from "./bucket.ts";
import { onCall } from "./faults.ts";
import { mailbox } from "./mailbox.ts";
import { permitCalls } from "./permit-calls.ts";
import { permitOwners } from "./permit-owners.ts";
import { platformMeter } from "./platform-counts.ts";
import { registry } from "./registry.ts";
import { adopters, touched } from "./touched.ts";

export const jobbers = createJobbers(registry);

export default jobbers.handler;

/** Notes calls that concern permits, counts all, and lets a test break the bucket. */
function noting<Env extends ObjectEnv>(bindings: Env): Env {
  const env = platformMeter.over(bindings);
  return {
    ...env,
    POOL: permitCalls.over(env.POOL),
    RATE_LIMITER: permitCalls.over(env.RATE_LIMITER),
    PAYLOADS: bucketFaults.over(env.PAYLOADS),
  };
}

export class Dag extends jobbers.Dag {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    touched.push(ctx.id.name ?? "");
    super(ctx, noting(mailbox.before(env)));
  }

  override async claim(
    requests: (TaskInstanceKey & { try_number: number })[],
    worker: WorkerIdentity,
  ): Promise<ClaimedTask[]> {
    onCall(this.ctx.id.name, "claim");
    return super.claim(requests, worker);
  }

  override async report(reports: Report[], worker: WorkerIdentity, followUpLimit: number): Promise<ReportAnswer> {
    onCall(this.ctx.id.name, "report");
    return super.report(reports, worker, followUpLimit);
  }

  override async beat(beats: AttemptBeat[], worker: WorkerIdentity): Promise<BeatAnswer[]> {
    onCall(this.ctx.id.name, "beat");
    return super.beat(beats, worker);
  }

  override async attemptEnded(key: TaskInstanceKey, token: number, outcome: Outcome): Promise<Verdict> {
    onCall(this.ctx.id.name, "attemptEnded");
    return super.attemptEnded(key, token, outcome);
  }
}

export class Intake extends jobbers.Intake {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, noting(mailbox.before(env)));
  }
}

export class Catalog extends jobbers.Catalog {}

export class Pool extends jobbers.Pool {
  constructor(ctx: DurableObjectState, bindings: ObjectEnv) {
    touched.push(ctx.id.name ?? "");
    const env = platformMeter.over(bindings);
    super(ctx, { ...env, DAG: permitOwners.over(permitCalls.over(env.DAG)), INTAKE: permitCalls.over(env.INTAKE) });
  }
}

export class RateLimiter extends jobbers.RateLimiter {}

export class LoginGuard extends jobbers.LoginGuard {}
/** The events in which the local queue's batches were consumed. */
export const deliveries: object[] = [];
export class LocalQueue extends jobbers.LocalQueue {
  override async consume(batch: WorkBatch): Promise<void> {
    deliveries.push(this.ctx);
    await super.consume(batch);
  }
}

export class Job extends jobbers.Job {
  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, noting(mailbox.before(env)));
  }

  override async adopt(request: AdoptionRequest): Promise<BeatAnswer> {
    adopters.set(`${request.dag_id} ${request.task_id}`, this.ctx.id.name ?? "");
    onCall(request.dag_id ?? undefined, "adopt");
    return super.adopt(request);
  }

  override async run(request: RunRequest): Promise<BeatAnswer> {
    onCall(request.dag_id ?? undefined, "run");
    return super.run(request);
  }
}
