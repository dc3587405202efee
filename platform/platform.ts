/**
 * Cloudflare's limits round a Worker: what it exports goes in, and comes out so that every invocation, object and binding is bounded as
 * it is on the platform. Not a part of what is deployed.
 *
 * @module
 */
import type { ObjectEnv } from "../durable-objects/env.ts";
import type { WorkMessage } from "../src/engine/work.ts";
import { Bindings } from "./bindings.ts";
import { machineClock, type PlatformClock } from "./clock.ts";
import { exceededWall } from "./errors.ts";
import { NO_FAULTS, type Faults } from "./faults.ts";
import { currentInvocation, Invocation, type InvocationKind } from "./invocation.ts";
import { limitValues, type LimitName, type LimitValues } from "./limits.ts";
import { limitedObject } from "./objects.ts";

/** Kinds whose wall time is bounded; a request lives as long as its client. */
const BOUNDED: ReadonlySet<InvocationKind> = new Set(["queue", "cron", "alarm"]);

/** A limit that was exceeded, or a fault that was made. */
export interface Violation {
  limit: LimitName;
  [detail: string]: unknown;
}

/** What a Worker handles. */
export interface Handlers<Env extends ObjectEnv> {
  fetch(request: Request, env: Env, ctx: ExecutionContext): Response | Promise<Response>;
  queue(batch: MessageBatch<WorkMessage>, env: Env, ctx: ExecutionContext): Promise<void>;
  scheduled(controller: ScheduledController, env: Env, ctx: ExecutionContext): Promise<void>;
}

/** The platform, with its settings; each may be changed while it runs. */
export class Platform {
  values: LimitValues;
  faults: Faults = NO_FAULTS;
  clock: PlatformClock = machineClock;
  /** What is behind the global `fetch`. */
  upstream: typeof fetch = globalThis.fetch.bind(globalThis);
  /** Hears of every violation, beside the log. */
  onNoted: (violation: Violation) => void = () => undefined;
  /** Hears of every invocation of the Worker or an object that begins. */
  onBegun: (invocation: Invocation) => void = () => undefined;
  readonly #bindings: Bindings;
  readonly #calls = new Map<Promise<unknown>, object | null>();

  constructor(values: LimitValues = limitValues()) {
    this.values = values;
    this.#bindings = new Bindings(this);
  }

  /** Epoch milliseconds. */
  now(): number {
    return this.clock.now();
  }

  /** The environment as invocations have it. */
  over<Env extends ObjectEnv>(env: Env): Env {
    return this.#bindings.over(env);
  }

  /** A class of objects under the limits. */
  object<T>(objectClass: T, className: string): T {
    return limitedObject(objectClass, className, this);
  }

  /** The Worker's handlers under the limits. */
  handlers<Env extends ObjectEnv>(handlers: Handlers<Env>): Handlers<Env> {
    return {
      fetch: async (request, env, ctx) =>
        this.run("http", new URL(request.url).pathname, ctx, (limited) =>
          handlers.fetch(request, this.over(env), limited),
        ),
      queue: async (batch, env, ctx) =>
        this.run("queue", batch.queue, ctx, (limited) => handlers.queue(batch, this.over(env), limited)),
      scheduled: async (controller, env, ctx) =>
        this.run("cron", controller.cron, ctx, (limited) => handlers.scheduled(controller, this.over(env), limited)),
    };
  }

  /** Runs one invocation of the Worker to its end. @throws What its handler throws, or why the platform ended it. */
  async run<T>(
    kind: InvocationKind,
    name: string,
    ctx: ExecutionContext,
    handler: (ctx: ExecutionContext) => T | Promise<T>,
  ): Promise<T> {
    const invocation = this.begin(kind, name);
    const left = new Set<Promise<unknown>>();
    const limited = keeping(ctx, (work) => {
      const one = Promise.resolve(work).catch(() => undefined);
      left.add(one);
      void one.finally(() => left.delete(one));
    });
    try {
      return await invocation.whole(() => handler(limited));
    } finally {
      this.#drain(invocation, left);
    }
  }

  /** Begins an invocation, whose wall time is bounded from now on. */
  begin(kind: InvocationKind, name: string, object: object | null = null): Invocation {
    const invocation = new Invocation(kind, name, this, object);
    this.onBegun(invocation);
    if (BOUNDED.has(kind) && object === null && this.values.wall_ms < Number.POSITIVE_INFINITY) {
      const cancel = this.clock.after(this.values.wall_ms, () => this.#outlived(invocation));
      this.#timers.set(invocation, cancel);
    }
    return invocation;
  }

  /** Tells of a violation. */
  onViolation(limit: LimitName, details: Record<string, unknown>): void {
    console.warn({ event: "platform_limit", limit, ...details });
    this.onNoted({ limit, ...details });
  }

  /** Notes a call that is under way. */
  track<T>(call: Promise<T>): Promise<T> {
    this.#calls.set(call, currentInvocation()?.object ?? null);
    const over = (): void => void this.#calls.delete(call);
    call.then(over, over);
    return call;
  }

  /** Forgets the calls of an object that was reset: nothing hears of their answers. */
  forget(object: object): void {
    for (const [call, caller] of this.#calls) {
      if (caller === object) {
        this.#calls.delete(call);
      }
    }
  }

  /** How many calls to objects, queues and buckets are under way. */
  get callsUnderWay(): number {
    return this.#calls.size;
  }

  readonly #timers = new WeakMap<Invocation, () => void>();

  #outlived(invocation: Invocation): void {
    this.onViolation("wall_ms", { kind: invocation.kind, name: invocation.name });
    invocation.end(exceededWall());
  }

  /** The handler returned: what it left in `waitUntil` has some time, and then nothing of it goes on. */
  #drain(invocation: Invocation, left: ReadonlySet<Promise<unknown>>): void {
    this.#timers.get(invocation)?.();
    if (left.size === 0 || invocation.isEnded || this.values.wait_until_ms === Number.POSITIVE_INFINITY) {
      return;
    }
    const cancel = this.clock.after(this.values.wait_until_ms, () => {
      this.onViolation("wait_until_ms", { kind: invocation.kind, name: invocation.name, left: left.size });
      invocation.end(new Error("waitUntil() tasks did not complete within the allowed time after invocation end"));
    });
    void allOver(left).then(cancel);
  }
}

/** Work in `waitUntil` may leave more there. */
async function allOver(left: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (left.size > 0) {
    // oxlint-disable-next-line no-await-in-loop
    await Promise.all(left);
  }
}

/** An execution context that tells what is left in `waitUntil`. */
function keeping(ctx: ExecutionContext, keep: (work: Promise<unknown>) => void): ExecutionContext {
  return new Proxy(ctx, {
    get(target, name) {
      if (name === "waitUntil") {
        return (work: Promise<unknown>): void => {
          keep(work);
          target.waitUntil(work);
        };
      }
      const found: unknown = Reflect.get(target, name);
      return typeof found === "function" ? (...args: unknown[]): unknown => Reflect.apply(found, target, args) : found;
    },
  });
}
