/**
 * What can be read of a ledger: its sums, who holds and waits, and why somebody waits. Costs a look at every permit.
 *
 * @module
 */
import { counted, listed } from "../explain-words.ts";
import type { PermitLedger } from "./ledger.ts";
import { describeLedger } from "./names.ts";
import { comesBefore, INFINITE, type Permit } from "./permit.ts";
import { MAX_PASSES } from "./waiting-list.ts";

/** Airflow's view of a pool, in slots. */
export interface LedgerView {
  /** `INFINITE` for no limit. */
  slots: number;
  description: string | null;
  include_deferred: boolean;
  /** Running and queued, and deferred if they are included. */
  occupied_slots: number;
  running_slots: number;
  /** Granted, and not known to run. */
  queued_slots: number;
  /** Waiting for slots. */
  scheduled_slots: number;
  deferred_slots: number;
  /** `INFINITE` without a limit; below 0 after the ledger has shrunk. */
  open_slots: number;
}

/** One permit; times in epoch milliseconds. */
export interface PermitView {
  owner: string;
  holder: string;
  slots: number;
  priority: number;
  state: "waiting" | "queued" | "running" | "deferred";
  /** When it came to be waiting, held or deferred. */
  since: number;
}

/** Why a holder has no slots, or that it has. */
export interface PermitExplanation {
  permit: PermitView;
  /** As in `LedgerView`; 0 if nobody has made the ledger. */
  slots: number;
  exists: boolean;
  occupied_slots: number;
  /** Place among all who wait, from 1; null if it does not wait. */
  position: number | null;
  /** How many wait. */
  waiting: number;
  /** Who holds slots, the longest first; only the first ten. */
  held_by: PermitView[];
  /** How many hold slots. */
  holders: number;
  /** The large request that stands before it and for which free slots are saved. */
  reserved_for: PermitView | null;
}

const HOLDERS_NAMED = 10;

/** The sums of a ledger, or null if nobody has made it. */
export function ledgerView(ledger: PermitLedger): LedgerView | null {
  const { config } = ledger;
  if (config === null) {
    return null;
  }
  let running = 0;
  let queued = 0;
  for (const permit of ledger.permits) {
    if (permit.state === "held") {
      running += permit.isRunning ? permit.slots : 0;
      queued += permit.isRunning ? 0 : permit.slots;
    }
  }
  return {
    ...config,
    occupied_slots: ledger.occupied,
    running_slots: running,
    queued_slots: queued,
    scheduled_slots: ledger.waitingSlots,
    deferred_slots: ledger.deferredSlots,
    open_slots: config.slots === INFINITE ? INFINITE : ledger.total - ledger.occupied,
  };
}

/** Who holds slots, the longest first, then who waits, in order; deferred ones come first of all. */
export function listPermits(ledger: PermitLedger): PermitView[] {
  const all = [...ledger.permits];
  const leased = all.filter(({ state }) => state !== "waiting").toSorted((a, b) => a.since - b.since || a.seq - b.seq);
  return [
    ...leased.filter(({ state }) => state === "deferred"),
    ...leased.filter(({ state }) => state === "held"),
    ...waitingInOrder(all),
  ].map(permitView);
}

/** Explains one permit; null if there is none. */
export function explainPermit(ledger: PermitLedger, owner: string, holder: string): PermitExplanation | null {
  const permit = ledger.find(owner, holder);
  if (permit === undefined) {
    return null;
  }
  const all = [...ledger.permits];
  const counts = all
    .filter(({ state }) => state === "held" || (state === "deferred" && ledger.config?.include_deferred === true))
    .toSorted((a, b) => a.since - b.since || a.seq - b.seq);
  const line = waitingInOrder(all);
  const place = line.indexOf(permit);
  const saved = line
    .slice(0, Math.max(place, 0))
    .find(({ passes, slots }) => passes >= MAX_PASSES && slots <= ledger.total);
  return {
    permit: permitView(permit),
    slots: ledger.config?.slots ?? 0,
    exists: ledger.config !== null,
    occupied_slots: ledger.occupied,
    position: place === -1 ? null : place + 1,
    waiting: line.length,
    held_by: counts.slice(0, HOLDERS_NAMED).map(permitView),
    holders: counts.length,
    reserved_for: saved === undefined ? null : permitView(saved),
  };
}

/**
 * Says in a sentence why a permit waits; null if it does not.
 *
 * @example
 * waitingReason("pool:db", explanation, ({ holder }) => holder);
 * // "pool `db` has 5 of 5 slots held by a, b and 3 more; it is 3rd of 7 in line"
 *
 * @param waitsFor Says what a holder waits for in turn: "waits for rate limit `x` until …"; null if that is not known.
 */
export function waitingReason(
  ledger: string,
  explanation: PermitExplanation,
  nameOf: (permit: PermitView) => string,
  waitsFor: (permit: PermitView) => string | null = () => null,
): string | null {
  const { permit, slots, position, waiting, held_by: holders, reserved_for: saved } = explanation;
  const name = describeLedger(ledger);
  if (position === null) {
    return null;
  }
  if (!explanation.exists) {
    return `${name} does not exist`;
  }
  if (slots !== INFINITE && permit.slots > slots) {
    return `${name} has ${counted(slots, "slot")} in all, and ${permit.slots} are needed`;
  }
  const { occupied_slots: occupied } = explanation;
  const place = `it ${permit.slots > 1 ? `needs ${permit.slots} and ` : ""}is ${ordinal(position)} of ${waiting} in line`;
  if (slots !== INFINITE && occupied > slots) {
    const back = occupied + permit.slots - slots;
    const are = occupied === 1 ? "is" : "are";
    return `${counted(occupied, "slot")} of ${name} ${are} held, though it has ${slots} now; ${back} must be given back first; ${place}`;
  }
  const named = holders.slice(0, 2).map((holder) => {
    const waits = waitsFor(holder);
    return `${nameOf(holder)}${waits === null ? "" : ` (${waits})`}`;
  });
  const by = explanation.holders === 0 ? "" : ` by ${listed(named, 2, explanation.holders)}`;
  const reserve = saved === null ? "" : `; free ones are saved for ${nameOf(saved)}, which needs ${saved.slots}`;
  return `${name} has ${occupied} of ${counted(slots, "slot")} held${by}${reserve}; ${place}`;
}

function waitingInOrder(permits: readonly Permit[]): Permit[] {
  return permits.filter(({ state }) => state === "waiting").toSorted((a, b) => (comesBefore(a, b) ? -1 : 1));
}

function permitView({ owner, holder, slots, priority, state, since, isRunning }: Permit): PermitView {
  const shown = state === "held" ? (isRunning ? "running" : "queued") : state;
  return { owner, holder, slots, priority, state: shown, since };
}

function ordinal(number: number): string {
  const isTeen = number % 100 > 10 && number % 100 < 14;
  return `${number}${isTeen ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th")}`;
}
