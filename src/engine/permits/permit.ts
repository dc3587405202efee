/**
 * The words of permits: who may hold how many slots of a ledger, asked for, leased, and given back. A ledger is a pool, a
 * concurrency key, or anything else of which there is a limited number.
 *
 * @module
 */

/** Slots that stand for no limit at all. */
export const INFINITE = -1;

/** How large a ledger is. Null where it is spoken of: nobody has made it, and nothing is granted. */
export interface LedgerConfig {
  /** From 0 on, or `INFINITE`. */
  slots: number;
  description: string | null;
  /** Deferred holders keep their slots. */
  include_deferred: boolean;
}

/**
 * One wish for slots.
 *
 * `holder` names one asking of one task instance. What asks again after it gave its slots back takes a new name, so that a
 * message of the old asking that comes late is not taken for one of the new.
 */
export interface PermitRequest {
  holder: string;
  /** From 1 on. */
  slots: number;
  /** Higher goes first. */
  priority: number;
  /** Epoch milliseconds; of equal priority the oldest goes first. */
  requestedAt: number;
  /** How long the slots are held without a word from the owner; see `ledger.ts`. */
  leaseMs: number;
}

/** What an owner says in one call. Each part may be said again without harm. */
export interface LedgerChange {
  /** Sets the size first: of a ledger whose limit its users bring along, as that of a concurrency key. */
  limit?: number;
  /** No longer wanted, be it held, deferred or waiting. */
  release?: readonly string[];
  /** The task instance has deferred: its slots go back unless the ledger includes deferred ones. */
  defer?: readonly string[];
  /** It wants to run again: it holds its slots as before, or waits at its old place. */
  resume?: readonly string[];
  /** Still wanted: the lease begins anew. */
  renew?: readonly string[];
  /** The owner has stored that it holds these. Renewing, deferring and releasing say as much. */
  acknowledge?: readonly string[];
  ask?: readonly PermitRequest[];
}

/** What a ledger answers. Holders of others are never named. */
export interface LedgerAnswer {
  /** Held: those asked for, and all others the owner was granted and has not acknowledged. */
  granted: string[];
  /** On the list. */
  waiting: string[];
  /** On the list, but asking for more slots than there are: granted only if the ledger grows. */
  too_large: string[];
  /** Spoken of as held or deferred, but neither: the lease lapsed, or it was released. Ask anew if it is still wanted. */
  lost: string[];
}

/** Holders that a ledger tells their owner about. */
export interface Delivery {
  owner: string;
  permits: readonly Permit[];
}

/** What an owner answers when it is told what it holds. Whom it does not name it still wants. */
export interface OwnerAnswer {
  /** Cleared, killed, ended, never heard of: the slots are freed. */
  unwanted: string[];
  /** Those whose task instance is running, not only queued: for display. */
  running: string[];
}

/** A permit in its ledger: waiting, held or deferred. Times in epoch milliseconds. */
export interface Permit extends PermitRequest {
  /** Name of the object that asks. */
  owner: string;
  /** Order of arrival. */
  seq: number;
  state: "waiting" | "held" | "deferred";
  /** How often one that comes after it was granted while it, first of its size, did not fit. */
  passes: number;
  /** When it came into its state. */
  since: number;
  /** When the lease ends; null while it waits. */
  leaseEnd: number | null;
  /** The lease was over once, and the owner was asked a last time. */
  isLastCall: boolean;
  /** The owner knows that it holds this. */
  isKnown: boolean;
  isRunning: boolean;
  /** When the owner is told next, unless it speaks first. Not stored. */
  due: number;
  /** How often it was told in vain. Not stored. */
  tries: number;
}

/** What is stored of a permit. */
export type StoredPermit = Omit<Permit, "due" | "tries">;

/** The permit a request begins as. */
export function waitingPermit(owner: string, request: PermitRequest, seq: number, now: number): Permit {
  const { holder, slots, priority, requestedAt, leaseMs } = request;
  return {
    owner,
    holder,
    slots,
    priority,
    requestedAt,
    leaseMs,
    seq,
    state: "waiting",
    passes: 0,
    since: now,
    leaseEnd: null,
    isLastCall: false,
    isKnown: false,
    isRunning: false,
    due: now,
    tries: 0,
  };
}

/** Says whether one permit comes before another: by priority, then age, then arrival. */
export function comesBefore(a: Permit, b: Permit): boolean {
  if (a.priority !== b.priority) {
    return a.priority > b.priority;
  }
  return a.requestedAt === b.requestedAt ? a.seq < b.seq : a.requestedAt < b.requestedAt;
}

/** Says what is wrong with a request; null if nothing is. */
export function requestIssue({ holder, slots, priority, requestedAt, leaseMs }: PermitRequest): string | null {
  if (!Number.isSafeInteger(slots) || slots < 1) {
    return `expected slots to be an integer from 1 on, got ${slots} for "${holder}"`;
  }
  if (!Number.isSafeInteger(priority) || !Number.isSafeInteger(requestedAt)) {
    return `expected priority and requestedAt to be integers, got ${priority} and ${requestedAt} for "${holder}"`;
  }
  if (!Number.isSafeInteger(leaseMs) || leaseMs < MIN_LEASE_MS || leaseMs > MAX_LEASE_MS) {
    return `expected leaseMs from ${MIN_LEASE_MS} to ${MAX_LEASE_MS}, got ${leaseMs} for "${holder}"`;
  }
  return null;
}

/** The shortest lease: a shorter one could not be renewed in time. */
export const MIN_LEASE_MS = 1000;
/** The longest lease, a day: what is lost is found in that time. */
export const MAX_LEASE_MS = 86_400_000;
