/**
 * Objects as the platform runs them: each call and each alarm is an invocation of its own, in which the object may be reset.
 *
 * @module
 */
import type { ObjectEnv } from "../durable-objects/env.ts";
import { RESET_REASON } from "./errors.ts";
import type { Faults } from "./faults.ts";
import { currentInvocation, type Invocation, type InvocationKind } from "./invocation.ts";
import type { LimitName, LimitValues } from "./limits.ts";

/** What an object asks of the world around it. */
export interface ObjectsAround {
  readonly values: LimitValues;
  readonly faults: Faults;
  now(): number;
  over<Env extends ObjectEnv>(env: Env): Env;
  /** Forgets the calls of an object that is reset. */
  forget(object: object): void;
  begin(kind: InvocationKind, name: string, object: object): Invocation;
  onViolation(limit: LimitName, details: Record<string, unknown>): void;
}

/** An object of the product, as far as it is needed here. */
type ObjectClass = new (ctx: DurableObjectState, env: ObjectEnv) => object;
type Method = (this: object, ...args: unknown[]) => unknown;

/** The class with limits and faults. */
export function limitedObject<T>(objectClass: T, className: string, around: ObjectsAround): T {
  const states = new WeakMap<object, DurableObjectState>();
  const base = objectClass as ObjectClass;
  const limited = class extends base {
    constructor(ctx: DurableObjectState, env: ObjectEnv) {
      super(ctx, around.over(env));
      states.set(this, ctx);
    }
  };
  for (const [name, method] of methodsOf(base)) {
    const wrapped: Method = wrap(name, method, (object) => states.get(object) ?? null, className, around);
    Object.defineProperty(limited.prototype, name, { value: wrapped, writable: true, configurable: true });
  }
  Object.defineProperty(limited, "name", { value: className });
  return limited as T;
}

/** A method as its callers have it. */
function wrap(
  name: string,
  method: Method,
  stateOf: (object: object) => DurableObjectState | null,
  className: string,
  around: ObjectsAround,
): Method {
  function wrapped(this: object, ...args: unknown[]): unknown {
    const ctx = stateOf(this);
    const run = (): unknown => Reflect.apply(method, this, args);
    // A call of its own methods belongs to what runs.
    if (ctx === null || currentInvocation()?.object === this) {
      return run();
    }
    const call = { className, name: ctx.id.name ?? ctx.id.toString(), method: name };
    return name === "alarm" ? runAlarm(ctx, this, call, args[0], run, around) : runCall(ctx, this, call, run, around);
  }
  return wrapped;
}

/** Methods of a class and of those it extends, the first of each name. */
function methodsOf(objectClass: ObjectClass): Map<string, Method> {
  const methods = new Map<string, Method>();
  let prototype: object | null = objectClass.prototype as object;
  while (prototype !== null && prototype !== Object.prototype) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      const method: unknown = value;
      if (typeof method === "function" && name !== "constructor" && !methods.has(name)) {
        methods.set(name, method as Method);
      }
    }
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return methods;
}

interface Called {
  className: string;
  name: string;
  method: string;
}

function runCall(
  ctx: DurableObjectState,
  object: object,
  call: Called,
  run: () => unknown,
  around: ObjectsAround,
): unknown {
  const invocation = around.begin("rpc", `${call.className} ${call.name}`, object);
  const point = around.faults.ofCall(call);
  if (point === null) {
    return invocation.run(run);
  }
  around.onViolation("object_reset", { object: invocation.name, method: call.method, point });
  if (point === "before") {
    return reset(ctx, object, around);
  }
  const answer: unknown = invocation.run(run);
  if (point === "during") {
    return reset(ctx, object, around);
  }
  return resetAfter(ctx, answer, object, around);
}

/** Everything that was asked of the object fails, and what is not on disk is lost. */
function reset(ctx: DurableObjectState, object: object, around: ObjectsAround): never {
  around.forget(object);
  ctx.abort(RESET_REASON);
  throw new Error(RESET_REASON);
}

async function resetAfter(
  ctx: DurableObjectState,
  answer: unknown,
  object: object,
  around: ObjectsAround,
): Promise<never> {
  await Promise.allSettled([answer]);
  await ctx.storage.sync();
  return reset(ctx, object, around);
}

async function runAlarm(
  ctx: DurableObjectState,
  object: object,
  call: Called,
  info: unknown,
  run: () => unknown,
  around: ObjectsAround,
): Promise<void> {
  const invocation = around.begin("alarm", `${call.className} ${call.name}`, object);
  const fate = around.faults.ofAlarm(call);
  if (fate === "lost") {
    around.onViolation("alarm_retries", { object: invocation.name, lost: true });
    return;
  }
  if (fate !== null) {
    const lateMs = Math.max(1, Math.round(fate.lateMs));
    around.onViolation("alarm_delay_ms", { object: invocation.name, late_ms: lateMs });
    await ctx.storage.setAlarm(around.now() + lateMs);
    return;
  }
  try {
    await invocation.whole(run);
  } catch (error) {
    if (retriesOf(info) < around.values.alarm_retries) {
      throw error;
    }
    // It has been tried often enough: the platform forgets it.
    around.onViolation("alarm_retries", { object: invocation.name, error: String(error) });
  }
}

function retriesOf(info: unknown): number {
  const count: unknown = typeof info === "object" && info !== null ? Reflect.get(info, "retryCount") : 0;
  return typeof count === "number" ? count : 0;
}
