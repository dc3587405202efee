/**
 * Bindings as an invocation has them where the platform's limits hold: each call counts, and fails as it would there.
 *
 * @module
 */
import { readQueues } from "../src/engine/queues.ts";
import type { ObjectEnv } from "../durable-objects/env.ts";
import { isReset, overloaded, refusedBatch, tooManyRequests } from "./errors.ts";
import { currentInvocation } from "./invocation.ts";
import type { LimitName, LimitValues } from "./limits.ts";
import { RateWindow } from "./rate-window.ts";

/** Classes of the objects by their binding. */
const OBJECTS = {
  DAG: "Dag",
  JOB: "Job",
  INTAKE: "Intake",
  CATALOG: "Catalog",
  POOL: "Pool",
  RATE_LIMITER: "RateLimiter",
  LOGIN_GUARD: "LoginGuard",
} as const;

/** What the queue adds to a message. */
const MESSAGE_OVERHEAD_BYTES = 100;

/** What the bindings ask of the world around them. */
export interface BindingsAround {
  readonly values: LimitValues;
  now(): number;
  onViolation(limit: LimitName, details: Record<string, unknown>): void;
  /** Notes a call that is under way. */
  track<T>(call: Promise<T>): Promise<T>;
}

interface Message {
  body: unknown;
  contentType?: QueueContentType;
}

type Callable = (...args: unknown[]) => unknown;

/** Wraps the bindings of a Worker. Those that were wrapped before are given again, so that they stay the same to who compares them. */
export class Bindings {
  readonly #around: BindingsAround;
  readonly #wrapped = new WeakMap<object, object>();
  readonly #objectCalls = new Map<string, RateWindow>();
  readonly #queueMessages = new Map<string, RateWindow>();

  constructor(around: BindingsAround) {
    this.#around = around;
  }

  /** The same environment with wrapped bindings. */
  over<Env extends ObjectEnv>(env: Env): Env {
    return this.#once(env, () => {
      const objects = Object.entries(OBJECTS).map(([binding, className]) =>
        this.#replaced(env, binding, (namespace) => this.#namespace(namespace, className)),
      );
      const queues = [...readQueues(env.QUEUES).values()].map(({ binding, queue }) =>
        this.#replaced(env, binding, (producer) => this.#queue(producer, queue)),
      );
      const bucket = this.#replaced(env, "PAYLOADS", (target) => this.#bucket(target));
      return { ...env, ...Object.fromEntries([...objects, ...queues, bucket]) };
    });
  }

  #once<T extends object>(target: T, wrap: () => T): T {
    const known = this.#wrapped.get(target);
    if (known !== undefined) {
      return known as T;
    }
    const made = wrap();
    this.#wrapped.set(target, made);
    // Wrapped once, however often it is passed on.
    this.#wrapped.set(made, made);
    return made;
  }

  #replaced(env: object, binding: string, wrap: (target: object) => object): [string, unknown] {
    const target: unknown = Reflect.get(env, binding);
    return [binding, typeof target === "object" && target !== null ? this.#once(target, () => wrap(target)) : target];
  }

  #namespace(namespace: object, className: string): object {
    return intercept(namespace, (name, method) => {
      switch (name) {
        case "get":
        case "getByName":
          return (...args) => this.#stub(method(...args) as object, className);
        case "jurisdiction":
          return (...args) => this.#namespace(method(...args) as object, className);
        default:
          return method;
      }
    });
  }

  #stub(stub: object, className: string): object {
    const id: unknown = Reflect.get(stub, "id");
    const object = `${className} ${String(Reflect.get(stub, "name") ?? id)}`;
    // A stub whose object was reset stays broken: what it threw is thrown again until a new one is made.
    let broken: Error | null = null;
    return intercept(stub, (name, method) => (...args) => {
      const work = async (): Promise<unknown> => {
        if (broken !== null) {
          throw broken;
        }
        this.#takeObjectCall(object);
        try {
          return await method(...args);
        } catch (error) {
          if (isReset(error)) {
            broken = Object.assign(error, { retryable: true });
          }
          throw error;
        }
      };
      const invocation = currentInvocation();
      const tracked = async (): Promise<unknown> => this.#around.track(work());
      return invocation === undefined ? tracked() : invocation.call(`${object}.${name}`, tracked);
    });
  }

  #takeObjectCall(object: string): void {
    const around = this.#around;
    const most = around.values.object_calls_per_second;
    if (most === Number.POSITIVE_INFINITY) {
      return;
    }
    if (!windowOf(this.#objectCalls, object).take(1, most, around.now())) {
      around.onViolation("object_calls_per_second", { object });
      throw overloaded();
    }
  }

  #queue(producer: object, queue: string): object {
    return intercept(producer, (name, method) => {
      if (name !== "send" && name !== "sendBatch") {
        return method;
      }
      return (...args) => {
        const [first] = args;
        // An iterable is read once.
        const messages: Message[] = name === "send" ? [{ body: first }] : [...(first as Iterable<Message>)];
        const rest = name === "send" ? args : [messages, ...args.slice(1)];
        const work = async (): Promise<unknown> => {
          this.#takeMessages(queue, messages);
          return method(...rest);
        };
        return this.#overConnection(`${queue}.${name}`, work);
      };
    });
  }

  #takeMessages(queue: string, messages: readonly Message[]): void {
    const around = this.#around;
    const { values } = around;
    if (messages.length > values.batch_messages) {
      around.onViolation("batch_messages", { queue, messages: messages.length });
      throw refusedBatch(`batch message count of ${messages.length} exceeds limit of ${values.batch_messages}`);
    }
    const sizes = messages.map(
      ({ body }) => new TextEncoder().encode(JSON.stringify(body)).length + MESSAGE_OVERHEAD_BYTES,
    );
    const largest = Math.max(0, ...sizes);
    if (largest > values.message_bytes) {
      around.onViolation("message_bytes", { queue, bytes: largest });
      throw refusedBatch(`message length of ${largest} bytes exceeds limit of ${values.message_bytes}`);
    }
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes > values.batch_bytes) {
      around.onViolation("batch_bytes", { queue, bytes });
      throw refusedBatch(`batch size of ${bytes} bytes exceeds limit of ${values.batch_bytes}`);
    }
    const window = windowOf(this.#queueMessages, queue);
    if (!window.take(messages.length, values.queue_messages_per_second, around.now())) {
      around.onViolation("queue_messages_per_second", { queue, messages: messages.length });
      throw tooManyRequests();
    }
  }

  #bucket(bucket: object): object {
    return intercept(
      bucket,
      (name, method) =>
        (...args) =>
          this.#overConnection(`bucket.${name}`, async () => method(...args)),
    );
  }

  #overConnection(what: string, work: () => Promise<unknown>): Promise<unknown> {
    const invocation = currentInvocation();
    const tracked = async (): Promise<unknown> => this.#around.track(work());
    return invocation === undefined ? tracked() : invocation.connect(what, tracked);
  }
}

/** An object whose methods are replaced as they are asked for. */
function intercept(target: object, replace: (name: string, method: Callable) => Callable): object {
  return new Proxy(target, {
    get(_target, name) {
      const found: unknown = Reflect.get(target, name);
      if (typeof found !== "function") {
        return found;
      }
      const method: Callable = (...args) => Reflect.apply(found, target, args) as unknown;
      return typeof name === "string" ? replace(name, method) : method;
    },
  });
}

function windowOf(windows: Map<string, RateWindow>, name: string): RateWindow {
  const window = windows.get(name) ?? new RateWindow();
  windows.set(name, window);
  return window;
}
