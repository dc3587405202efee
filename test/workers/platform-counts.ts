/**
 * Counts what the platform bills while a test does something: calls of objects, runs of their alarms, and rows that objects read and
 * write, from the cursors of all their statements. Tests and objects share one isolate, so the runtime's own classes can be watched.
 *
 * @module
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import type { ObjectEnv } from "../../durable-objects/env.ts";

/** What was counted. */
export interface PlatformCounts {
  /** Calls of methods, and runs of alarms. */
  objectRequests: number;
  /** By SQL, and one for each alarm that was set. */
  rowsWritten: number;
  rowsRead: number;
}

interface Cursor {
  rowsWritten: number;
  rowsRead: number;
}

type Namespaces = Pick<ObjectEnv, "DAG" | "JOB" | "INTAKE" | "CATALOG" | "POOL" | "RATE_LIMITER" | "LOGIN_GUARD">;

class PlatformMeter {
  /** Calls by object class and method, for a test that wonders where they come from. */
  readonly calls = new Map<string, number>();
  #isWatched = false;
  #isOn = false;
  #open = new Set<Promise<unknown>>();
  #cursors: Cursor[] = [];
  #alarmsSet = 0;

  /**
   * Bindings whose calls are counted.
   *
   * @param awayMs How long an answer is on its way, by `setTimeout`: a caller that has much to do meanwhile calls less often.
   */
  over<Env extends Namespaces>(bindings: Env, awayMs = 0): Env {
    const { DAG, JOB, INTAKE, CATALOG, POOL, RATE_LIMITER, LOGIN_GUARD } = bindings;
    return {
      ...bindings,
      DAG: this.#namespace(awayMs, "Dag", DAG),
      JOB: this.#namespace(awayMs, "Job", JOB),
      INTAKE: this.#namespace(awayMs, "Intake", INTAKE),
      CATALOG: this.#namespace(awayMs, "Catalog", CATALOG),
      POOL: this.#namespace(awayMs, "Pool", POOL),
      RATE_LIMITER: this.#namespace(awayMs, "RateLimiter", RATE_LIMITER),
      LOGIN_GUARD: this.#namespace(awayMs, "LoginGuard", LOGIN_GUARD),
    };
  }

  /** Counts while something is done, and until all calls that it began are over. */
  async during(something: () => Promise<unknown>): Promise<PlatformCounts> {
    await this.#watch();
    this.calls.clear();
    this.#cursors = [];
    this.#alarmsSet = 0;
    this.#isOn = true;
    try {
      await something();
      await this.quiet();
    } finally {
      this.#isOn = false;
    }
    return {
      objectRequests: sum([...this.calls.values()]),
      rowsWritten: sum(this.#cursors.map(({ rowsWritten }) => rowsWritten)) + this.#alarmsSet,
      rowsRead: sum(this.#cursors.map(({ rowsRead }) => rowsRead)),
    };
  }

  /** Does something that is not counted: a test looks at what there is. */
  async unseen<T>(something: () => Promise<T>): Promise<T> {
    const wasOn = this.#isOn;
    this.#isOn = false;
    try {
      return await something();
    } finally {
      this.#isOn = wasOn;
    }
  }

  /** Alarms that were set since the count began. */
  get alarmsSet(): number {
    return this.#alarmsSet;
  }

  /** Runs the alarm of an object, if one is set, as the platform does when it is due. */
  async alarm(stub: DurableObjectStub): Promise<void> {
    if (await runDurableObjectAlarm(stub)) {
      this.#count("alarm");
    }
    await this.quiet();
  }

  /** Resolves when no call is under way, and none was in so many turns of the event loop. */
  async quiet(turns = 1): Promise<void> {
    for (let still = 0; still < turns; still += 1) {
      await scheduler.wait(0);
      if (this.#open.size > 0) {
        await Promise.allSettled(this.#open);
        still = -1;
      }
    }
  }

  #count(call: string): void {
    if (this.#isOn) {
      this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
    }
  }

  #namespace(awayMs: number, className: string, namespace: DurableObjectNamespace): DurableObjectNamespace {
    return new Proxy(namespace, {
      get: (target, property) => {
        const found: unknown = Reflect.get(target, property);
        if (property !== "getByName") {
          const bound: unknown = typeof found === "function" ? found.bind(target) : found;
          return bound;
        }
        return (name: string, options?: DurableObjectNamespaceGetDurableObjectOptions): object =>
          this.#stub(awayMs, className, target.getByName(name, options));
      },
    });
  }

  #stub(awayMs: number, className: string, stub: object): object {
    return new Proxy(stub, {
      get: (target, method) => {
        const found: unknown = Reflect.get(target, method);
        if (typeof found !== "function") {
          return found;
        }
        return (...args: unknown[]): unknown => {
          this.#count(`${className}.${String(method)}`);
          const answer: unknown = Reflect.apply(found, target, args);
          const call = Promise.resolve(answer).finally(() => this.#open.delete(call));
          call.catch(() => undefined);
          this.#open.add(call);
          return awayMs === 0 ? answer : later(answer, awayMs);
        };
      },
    });
  }

  async #watch(): Promise<void> {
    if (this.#isWatched) {
      return;
    }
    this.#isWatched = true;
    await runInDurableObject(env.DAG.getByName("platform-counts"), (_object, { storage }) => {
      patch(storage.sql, "exec", (cursor) => {
        if (this.#isOn) {
          this.#cursors.push(cursor as Cursor);
        }
      });
      patch(storage, "setAlarm", () => {
        this.#alarmsSet += Number(this.#isOn);
      });
    });
  }
}

async function later(answer: unknown, ms: number): Promise<unknown> {
  const value: unknown = await answer;
  await new Promise((resolve) => setTimeout(resolve, ms));
  return value;
}

/** Has what a method of a runtime's class answers seen, for all objects of the class. */
function patch(instance: object, method: string, see: (answer: unknown) => void): void {
  const prototype: unknown = Object.getPrototypeOf(instance);
  const original: unknown = typeof prototype === "object" && prototype !== null && Reflect.get(prototype, method);
  if (typeof prototype !== "object" || prototype === null || typeof original !== "function") {
    throw new Error(`expected the runtime's class to have a method ${method}, it has none`);
  }
  Reflect.set(prototype, method, function seen(this: unknown, ...args: unknown[]): unknown {
    const answer: unknown = Reflect.apply(original, this, args);
    see(answer);
    return answer;
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The one of this isolate. */
export const platformMeter = new PlatformMeter();
