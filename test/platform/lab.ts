/**
 * How a test drives the product under the platform's limits: a clock that it moves, queues whose consumers are added as on Cloudflare, and
 * alarms that it runs. Everything waits on calls that are over, and no time passes but what a test lets pass.
 *
 * @module
 */
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, vi } from "vitest";
import type { ObjectEnv } from "../../durable-objects/env.ts";
import type { PlatformClock } from "../../platform/clock.ts";
import { isReset } from "../../platform/errors.ts";
import { NO_FAULTS } from "../../platform/faults.ts";
import type { Invocation } from "../../platform/invocation.ts";
import { only, type LimitValues } from "../../platform/limits.ts";
import type { Violation } from "../../platform/platform.ts";
import { batchOf, PlatformQueue, type QueueAround } from "../../platform/queue.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import type { DagRunView } from "../../src/engine/work.ts";
import { alarmOf, clock, fireAlarm, runOf, stopClock, stubOf } from "../workers/lab.ts";
import { mailbox } from "../workers/mailbox.ts";
import { handlers, platform } from "./worker.ts";

/** More turns than any play of these tests has; one that needs more has gone wrong. */
const MAX_TURNS = 20_000;

/** A clock that stands still until it is moved, and lets timers fire on its way. */
class MovedClock implements PlatformClock {
  readonly isMoved = true;
  #timers: { at: number; callback: () => void }[] = [];

  now(): number {
    return clock.now();
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { at: this.now() + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }

  /** Resolves when so much time has been let pass. */
  async wait(ms: number): Promise<void> {
    if (ms > 0) {
      await new Promise<void>((resolve) => {
        this.after(ms, resolve);
      });
    }
  }

  /** When the next timer fires; null if there is none. */
  get next(): number | null {
    return this.#timers.reduce<number | null>((least, { at }) => (least === null || at < least ? at : least), null);
  }

  /** Moves on to a time; each timer fires at its own, and what it begins is over before the next. */
  async to(at: number): Promise<void> {
    for (;;) {
      const [first] = this.#timers.filter((timer) => timer.at <= at).toSorted((one, other) => one.at - other.at);
      if (first === undefined) {
        break;
      }
      this.#timers = this.#timers.filter((timer) => timer !== first);
      clock.to(Math.max(first.at, clock.now()));
      first.callback();
      await quiet();
    }
    clock.to(Math.max(at, clock.now()));
  }

  async advance(ms: number): Promise<void> {
    await this.to(this.now() + ms);
  }

  forget(): void {
    this.#timers = [];
  }
}

export const movedClock = new MovedClock();

/** Limits that were exceeded and faults that were made since the test began. */
export const violations: Violation[] = [];
/** Invocations of the Worker and its objects since the test began. */
export const invocations: Invocation[] = [];

/** Those of a limit. */
export function violationsOf(limit: Violation["limit"]): Violation[] {
  return violations.filter((one) => one.limit === limit);
}

/** Has every test of a file begin with no limit and a clock that stands still. */
export function startLab(): void {
  stopClock();
  beforeEach(() => {
    vi.spyOn(console, "warn").mockReturnValue();
    vi.spyOn(console, "error").mockReturnValue();
    violations.length = 0;
    invocations.length = 0;
    platform.values = only({});
    platform.faults = NO_FAULTS;
    platform.clock = movedClock;
    platform.onNoted = (violation) => void violations.push(violation);
    platform.onBegun = (invocation) => void invocations.push(invocation);
  });
  afterEach(() => {
    platform.values = only({});
    platform.faults = NO_FAULTS;
    movedClock.forget();
    vi.restoreAllMocks();
  });
}

/** Puts these limits in force, and no others. */
export function enforce(values: Partial<LimitValues>): void {
  platform.values = only(values);
}

/** Bindings as the Worker under the limits has them; messages are kept in the mailbox. */
export const limitedEnv: ObjectEnv = platform.over(mailbox.before(env));

/** Resolves when no call to an object, a queue or the bucket is under way, and none followed from the last. */
export async function quiet(): Promise<void> {
  do {
    await scheduler.wait(0);
  } while (platform.callsUnderWay > 0);
  // What the last answer leads to begins in the turn after it.
  await scheduler.wait(0);
  if (platform.callsUnderWay > 0) {
    await quiet();
  }
}

/** Runs code as one invocation of the Worker. */
export async function invoke<T>(
  kind: "http" | "queue" | "cron",
  code: (ctx: ExecutionContext) => T | Promise<T>,
): Promise<T> {
  return platform.run(kind, "test", createExecutionContext(), code);
}

/** Makes a stub: one whose object was reset stays broken. */
type Opening = () => DurableObjectStub;

/** After how long the platform runs an alarm again that failed. */
const ALARM_AGAIN_MS = 2000;

/** Runs an alarm that is due; one whose object is reset meanwhile is run again later, as by the platform. */
async function ring(open: Opening): Promise<void> {
  try {
    await fireAlarm(open());
  } catch (error) {
    if (!isReset(error)) {
      throw error;
    }
    const again = clock.now() + ALARM_AGAIN_MS;
    await patiently(() => runInDurableObject(open(), async (_object, state) => state.storage.setAlarm(again)));
  }
}

/** Makes a call of the test's own until no reset meets it. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isReset(error)) {
        throw error;
      }
    }
  }
}

/** A queue of wrangler.toml's settings, whose consumer is the product's. */
export class Plant {
  readonly queue: PlatformQueue;
  readonly #work = new Set<Promise<void>>();
  readonly #around: QueueAround;

  /** @param settings Those of wrangler.toml, unless given. */
  constructor({ maxBatchSize = 20, lanes }: { maxBatchSize?: number; lanes?: number } = {}) {
    const queue = "jobbers-tasks";
    const queues = { default: { binding: "TASKS", queue, ...(lanes === undefined ? {} : { lanes }) } };
    this.queue = new PlatformQueue(
      { queue, maxBatchSize, maxRetries: 10, retryDelay: 5 },
      () => platform.values.consumers,
    );
    this.#around = {
      async deliver(messages) {
        const { batch, retried } = batchOf(queue, messages);
        await handlers.queue(batch, { ...env, QUEUES: queues }, createExecutionContext());
        return retried();
      },
      wait: (ms) => movedClock.wait(ms),
      waitUntil: (work) => {
        this.#work.add(work);
        void work.finally(() => this.#work.delete(work));
      },
    };
  }

  /** Hands on what a DAG has sent. */
  take(dagId: string): void {
    const sent = mailbox.takeOf(dagId);
    if (sent.length > 0) {
      this.queue.send(sent, this.#around);
    }
  }

  /** Lets one turn pass: what was sent is delivered; else time passes, to the next timer or alarm. */
  async turn(dagIds: readonly string[], others: readonly Opening[] = []): Promise<void> {
    await quiet();
    const waiting = this.queue.backlog;
    dagIds.forEach((dagId) => this.take(dagId));
    await quiet();
    if (this.queue.backlog !== waiting) {
      return;
    }
    const openings = [...dagIds.map((dagId) => () => stubOf("DAG", dagId)), ...others];
    const alarms = await Promise.all(
      openings.map(async (open) => ({ open, at: await patiently(() => alarmOf(open())) })),
    );
    const [first] = alarms.filter(({ at }) => at !== null).toSorted((one, other) => (one.at ?? 0) - (other.at ?? 0));
    const timer = movedClock.next;
    if (timer !== null && (first === undefined || timer <= (first.at ?? 0))) {
      await movedClock.to(timer);
    } else if (first !== undefined) {
      await movedClock.to(first.at ?? 0);
      await ring(first.open);
    }
  }

  /** Lets turns pass until a run is over. Gives the run. */
  async settle(dagId: string, runId: string, others: readonly Opening[] = []): Promise<DagRunView> {
    for (let turn = 0; turn < MAX_TURNS; turn += 1) {
      const run = await patiently(() => runOf(dagId, runId));
      if (isRunFinished(run.state)) {
        return run;
      }
      await this.turn([dagId], others);
    }
    throw new Error(`run "${runId}" is not over after ${MAX_TURNS} turns`);
  }
}
