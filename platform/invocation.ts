/**
 * One invocation of the Worker or of one of its objects: what it has spent, and whether the platform has ended it.
 *
 * @module
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { exceededCpu, tooManySubrequests } from "./errors.ts";
import type { LimitName, LimitValues } from "./limits.ts";

/** What an invocation is for. */
export type InvocationKind = "http" | "queue" | "cron" | "rpc" | "alarm";

/** What an invocation asks of the world around it. */
export interface InvocationAround {
  readonly values: LimitValues;
  /** Tells of a limit that was exceeded. */
  onViolation(limit: LimitName, details: Record<string, unknown>): void;
}

const running = new AsyncLocalStorage<Invocation>();

/** The invocation whose code this is called from; undefined outside of any. */
export function currentInvocation(): Invocation | undefined {
  return running.getStore();
}

/** A call that is never answered: what made it does not run any more. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

/** One invocation. */
export class Invocation {
  readonly kind: InvocationKind;
  /** What it belongs to: a queue, an object. */
  readonly name: string;
  /** The object whose code runs; null in the Worker itself. */
  readonly object: object | null;
  subrequests = 0;
  cpuMs = 0;
  /** Connections that wait for a head at the same time, at most so far. */
  mostConnections = 0;
  readonly #around: InvocationAround;
  readonly #ended = Promise.withResolvers<never>();
  #reason: Error | null = null;
  #connections = 0;
  #queued: (() => void)[] = [];

  constructor(kind: InvocationKind, name: string, around: InvocationAround, object: object | null = null) {
    this.kind = kind;
    this.name = name;
    this.object = object;
    this.#around = around;
    this.#ended.promise.catch(() => undefined);
  }

  /** Says whether the platform has ended it: nothing of it goes on then. */
  get isEnded(): boolean {
    return this.#reason !== null;
  }

  /** Runs code as this invocation's. */
  run<T>(code: () => T): T {
    return running.run(this, code);
  }

  /** Runs the invocation's handler; rejects if the platform ends it before. */
  async whole<T>(handler: () => T | Promise<T>): Promise<T> {
    return Promise.race([this.run(async () => handler()), this.#ended.promise]);
  }

  /** Ends it, whatever runs. */
  end(reason: Error): void {
    if (this.#reason === null) {
      this.#reason = reason;
      this.#queued = [];
      this.#ended.reject(reason);
    }
  }

  /** Makes a call that counts. @throws Error if there were too many. */
  async call<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (this.isEnded) {
      return never();
    }
    this.subrequests += 1;
    if (this.subrequests > this.#around.values.subrequests) {
      this.#around.onViolation("subrequests", { kind: this.kind, name: this.name, call: what });
      throw tooManySubrequests();
    }
    return this.#alive(work());
  }

  /** Makes a call that counts, over a connection: waits for one of the six if need be. */
  async connect<T>(what: string, work: () => Promise<T>): Promise<T> {
    return this.call(what, async () => {
      await this.#takeConnection();
      try {
        return await work();
      } finally {
        this.#leaveConnection();
      }
    });
  }

  /** Notes computing time, and ends the invocation if that is too much. */
  spendCpu(ms: number): void {
    this.cpuMs += ms;
    if (this.cpuMs > this.#around.values.cpu_ms && !this.isEnded) {
      this.#around.onViolation("cpu_ms", { kind: this.kind, name: this.name, ms: Math.round(this.cpuMs) });
      this.end(exceededCpu());
    }
  }

  /** What an answer leads to does not run in an invocation that has ended meanwhile. */
  async #alive<T>(answer: Promise<T>): Promise<T> {
    try {
      const value = await answer;
      return this.isEnded ? await never<T>() : value;
    } catch (error) {
      if (this.isEnded) {
        return never();
      }
      throw error;
    }
  }

  async #takeConnection(): Promise<void> {
    if (this.#connections < this.#around.values.connections) {
      this.#connections += 1;
      this.mostConnections = Math.max(this.mostConnections, this.#connections);
      return;
    }
    // One that is left is handed on.
    await new Promise<void>((resolve) => this.#queued.push(resolve));
  }

  #leaveConnection(): void {
    const next = this.#queued.shift();
    if (next === undefined) {
      this.#connections -= 1;
    } else {
      next();
    }
  }
}

/** For handlers of tests: says that the present invocation has computed for so long. */
export function spendCpu(ms: number): void {
  currentInvocation()?.spendCpu(ms);
}
