/**
 * A ledger as its object keeps it: every event is followed by a tick, and what changed is stored, so that a test can lose the
 * memory of it at any moment.
 *
 * @module
 */
import { PermitLedger } from "../../src/engine/permits/ledger.ts";
import type {
  Delivery,
  LedgerAnswer,
  LedgerChange,
  LedgerConfig,
  OwnerAnswer,
  Permit,
  PermitRequest,
  StoredPermit,
} from "../../src/engine/permits/permit.ts";

export const LEASE_MS = 60_000;

export function config(slots: number, includeDeferred = false): LedgerConfig {
  return { slots, description: null, include_deferred: includeDeferred };
}

export function wish(holder: string, fields: Partial<PermitRequest> = {}): PermitRequest {
  return { holder, slots: 1, priority: 1, requestedAt: 0, leaseMs: LEASE_MS, ...fields };
}

/** The owner that tests speak as, where there is only one. */
export const OWNER = "dag";

export class Bench {
  now = 1_000_000;
  ledger: PermitLedger;
  /** What ticks gave to be delivered and nobody took yet. */
  deliveries: Delivery[] = [];
  lapsed: string[] = [];
  /** The owner and holder of what lapsed in the last tick. */
  justLapsed: { owner: string; holder: string }[] = [];
  readonly stored = new Map<string, StoredPermit>();
  storedConfig: LedgerConfig | null;

  constructor(slots: number | LedgerConfig | null) {
    this.storedConfig = typeof slots === "number" ? config(slots) : slots;
    this.ledger = new PermitLedger(this.storedConfig, [], this.now);
  }

  exchange(change: LedgerChange, owner = OWNER): LedgerAnswer {
    const answer = this.ledger.exchange(owner, change, this.now);
    this.tick();
    return answer;
  }

  ask(...requests: PermitRequest[]): LedgerAnswer {
    return this.exchange({ ask: requests });
  }

  release(...holders: string[]): LedgerAnswer {
    return this.exchange({ release: holders });
  }

  configure(size: LedgerConfig | null): void {
    this.ledger.configure(size);
    this.tick();
  }

  answer(delivery: Delivery, answer: Partial<OwnerAnswer> = {}): void {
    this.ledger.answered(delivery, { unwanted: [], running: [], ...answer }, this.now);
    this.tick();
  }

  /** Answers what was delivered and is not answered yet. */
  answerAll(answer: Partial<OwnerAnswer> = {}): void {
    for (const delivery of this.deliveries.splice(0)) {
      this.answer(delivery, answer);
    }
  }

  /** Moves the clock and lets everything happen that is due until then, as the alarm does. Nobody answers. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (let next = this.ledger.nextDue(); next !== null && next <= end; next = this.ledger.nextDue()) {
      this.now = Math.max(this.now, next);
      this.tick();
    }
    this.now = end;
  }

  tick(): void {
    const { deliveries, lapsed } = this.ledger.tick(this.now);
    this.deliveries.push(...deliveries);
    this.lapsed.push(...lapsed.map(({ holder }) => holder));
    this.justLapsed = lapsed;
    const changes = this.ledger.drain();
    if (changes.config !== undefined) {
      this.storedConfig = changes.config;
    }
    for (const permit of changes.removed) {
      this.stored.delete(keyOf(permit));
    }
    for (const permit of changes.saved) {
      this.stored.set(keyOf(permit), storedOf(permit));
    }
  }

  /** Loses all that is not stored. */
  evict(): void {
    this.ledger = new PermitLedger(this.storedConfig, this.stored.values(), this.now);
  }

  /** Holders in a state, sorted. */
  in(state: Permit["state"]): string[] {
    return [...this.ledger.permits]
      .filter((permit) => permit.state === state)
      .map(({ holder }) => holder)
      .toSorted();
  }

  /** Names what was delivered since the last time. */
  takeTold(): string[] {
    return this.deliveries.splice(0).flatMap(({ permits }) => permits.map(({ holder }) => holder));
  }
}

/** What is stored of a permit, as a copy. */
export function storedOf({ due: _due, tries: _tries, ...stored }: Permit): StoredPermit {
  return stored;
}

function keyOf({ owner, holder }: StoredPermit): string {
  return JSON.stringify([owner, holder]);
}
