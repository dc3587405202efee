/**
 * Roles: names that stand for a queue and may be given another one while everything runs.
 *
 * @module
 */
import type { Refusal, Result } from "./result.ts";
import type { Queues } from "./queues.ts";

/** Roles there may be: they are read as a whole. */
export const MAX_ROLES = 1000;

/** A role and the queue it stands for. */
export interface QueueRole {
  role: string;
  queue: string;
  /** Epoch milliseconds. */
  updated_at: number;
}

/** What keeps the roles; part of the catalog. */
export interface QueueRoleBook {
  /** Sorted by role. */
  listRoles(): Promise<QueueRole[]>;
  /** Makes a role or gives it another queue. conflict: a queue has that name; invalid: there is no such queue, or too many roles. */
  setRole(role: string, queue: string): Promise<Result<QueueRole>>;
  /** Idempotent. */
  removeRole(role: string): Promise<void>;
}

/** Why a role may not stand for a queue; null if it may. */
export function roleRefusal(queues: Queues, role: string, queue: string): Refusal | null {
  if (queues.has(role)) {
    return { code: "conflict", message: `expected the name of no queue, got ${JSON.stringify(role)}, which is one` };
  }
  if (!queues.has(queue)) {
    const names = [...queues.keys()].join(", ");
    const message = `expected the name of a queue (${names}), got ${JSON.stringify(queue)}`;
    return { code: "invalid", message, loc: ["body", "queue"] };
  }
  return null;
}

/** Roles as a map to the names of their queues. Where a queue has got the name of a role since, it is the queue. */
export function roleMap(queues: Queues, roles: readonly QueueRole[]): ReadonlyMap<string, string> {
  return new Map(roles.filter(({ role }) => !queues.has(role)).map(({ role, queue }) => [role, queue]));
}
