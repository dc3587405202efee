/**
 * The way to the queues: their bindings by the names that tasks use, and the roles that stand for them.
 *
 * @module
 */
import type { RateNeed } from "../src/engine/permits/wish.ts";
import { roleMap } from "../src/engine/queue-roles.ts";
import { hasRates, queueRates, readQueues, resolveQueue, unknownQueues, type Queues } from "../src/engine/queues.ts";
import type { TaskSpec } from "../src/engine/spec.ts";
import type { WorkMessage } from "../src/engine/work.ts";
import { openCatalog, type ObjectEnv } from "./env.ts";

/** Milliseconds that an isolate goes by the roles it read. */
export const ROLES_KEPT_MS = 5000;

type Roles = ReadonlyMap<string, string>;

const NO_ROLES: Roles = new Map();

/** Configurations whose bindings were found to be there. */
const checked = new WeakSet<Queues>();
let known: { catalog: DurableObjectNamespace; roles: Roles; at: number } | undefined;
/** Goes up with every change made in this isolate, so that what was asked before it is not kept. */
let changes = 0;

/**
 * The queues of this Worker.
 *
 * @throws Error if the variable `QUEUES` cannot be used, or names a binding that is none of a queue.
 */
export function queuesOf(env: ObjectEnv): Queues {
  const queues = readQueues(env.QUEUES);
  if (!checked.has(queues)) {
    for (const [name, { binding }] of queues) {
      if (bindingOf(env, binding) === null) {
        throw new Error(
          `QUEUES.${name}.binding: expected the name of a queue's binding, got ${JSON.stringify(binding)}`,
        );
      }
    }
    checked.add(queues);
  }
  return queues;
}

/** The queue of a name; null if there is none. Roles are not looked up. */
export function openQueue(env: ObjectEnv, name: string): Queue<WorkMessage> | null {
  const settings = queuesOf(env).get(name);
  return settings === undefined ? null : bindingOf(env, settings.binding);
}

/** The queue that a name stands for now, be it a queue's or a role's; null if nothing has it. Roles are read for a role only. */
export async function queueNamed(env: ObjectEnv, name: string, now: number): Promise<string | null> {
  const queues = queuesOf(env);
  return resolveQueue(queues, queues.has(name) ? NO_ROLES : await rolesOf(env, now), name);
}

/**
 * The roles, at most five seconds old. If they cannot be read, those that were known before.
 *
 * @throws Error if they cannot be read and never were.
 */
export async function rolesOf(env: ObjectEnv, now: number): Promise<Roles> {
  const before = known?.catalog === env.CATALOG ? known : undefined;
  if (before !== undefined && isFresh(before.at, now)) {
    return before.roles;
  }
  const asked = changes;
  try {
    // A promise must not be shared: it belongs to the request that made it.
    const roles = roleMap(queuesOf(env), await openCatalog(env).listRoles());
    if (changes === asked) {
      known = { catalog: env.CATALOG, roles, at: now };
    }
    return roles;
  } catch (error) {
    if (before === undefined) {
      throw error;
    }
    console.warn({ event: "roles_not_read", error: String(error) });
    known = { ...before, at: now };
    return before.roles;
  }
}

/** The roles as far as they are known without asking: none if they were not read lately. */
export function rolesKnown(env: ObjectEnv, now: number): Roles {
  return known !== undefined && known.catalog === env.CATALOG && isFresh(known.at, now) ? known.roles : NO_ROLES;
}

/**
 * Rate limits of the queue that a name stands for. Null: that is for roles to say, which were not read in the last five seconds; see
 * `rolesOf`.
 */
export function ratesOf(env: ObjectEnv, name: string, handler: string, now: number): RateNeed[] | null {
  const queues = queuesOf(env);
  if (!hasRates(queues)) {
    return [];
  }
  const roles = known?.catalog === env.CATALOG && isFresh(known.at, now) ? known.roles : null;
  if (roles === null && !queues.has(name)) {
    return null;
  }
  const queue = resolveQueue(queues, roles ?? NO_ROLES, name);
  return queue === null ? [] : queueRates(queues, queue, handler);
}

/**
 * Reads roles if the rate limits of some tasks depend on them, so that `ratesOf` knows them.
 *
 * @throws Error if they cannot be read and never were.
 */
export async function readyRates(env: ObjectEnv, tasks: readonly TaskSpec[], now: number): Promise<void> {
  const queues = queuesOf(env);
  if (hasRates(queues) && unknownQueues(tasks, queues).length > 0) {
    await rolesOf(env, now);
  }
}

/** Forgets what this isolate knows of roles: they changed. */
export function forgetRoles(): void {
  known = undefined;
  changes += 1;
}

/** Also false after the clock stepped back. */
function isFresh(at: number, now: number): boolean {
  return now >= at && now - at < ROLES_KEPT_MS;
}

function bindingOf(env: object, name: string): Queue<WorkMessage> | null {
  const binding: unknown = Reflect.get(env, name);
  return isQueue(binding) ? binding : null;
}

function isQueue(binding: unknown): binding is Queue<WorkMessage> {
  return (
    // Asked for, not looked for with `in`: the binding may be an entrypoint, whose methods show only then.
    typeof binding === "object" && binding !== null && typeof Reflect.get(binding, "sendBatch") === "function"
  );
}
