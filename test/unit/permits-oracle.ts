/**
 * A ledger told naively: one list, read from its beginning for every decision. Leases are not its business: what lapsed it is told.
 *
 * @module
 */
import type { LedgerChange } from "../../src/engine/permits/permit.ts";
import { MAX_PASSES } from "../../src/engine/permits/waiting-list.ts";

export interface NaivePermit {
  owner: string;
  holder: string;
  slots: number;
  priority: number;
  requestedAt: number;
  seq: number;
  state: "waiting" | "held" | "deferred";
  passes: number;
}

export class NaiveLedger {
  list: NaivePermit[] = [];
  slots: number;
  includesDeferred = false;
  /** How often nobody was granted because slots were saved for a large request. */
  saved = 0;
  /** Grants in their order. */
  granted: NaivePermit[] = [];
  #arrivals = 0;

  constructor(slots: number) {
    this.slots = slots;
  }

  get total(): number {
    return this.slots === -1 ? Infinity : this.slots;
  }

  get occupied(): number {
    return this.list
      .filter(({ state }) => state === "held" || (state === "deferred" && this.includesDeferred))
      .reduce((sum, { slots }) => sum + slots, 0);
  }

  exchange(owner: string, change: LedgerChange): void {
    const mine = (holder: string): NaivePermit | undefined =>
      this.list.find((permit) => permit.owner === owner && permit.holder === holder);
    this.drop((change.release ?? []).map((holder) => ({ owner, holder })));
    for (const permit of (change.defer ?? []).map(mine)) {
      if (permit?.state === "held") {
        permit.state = "deferred";
      }
    }
    for (const permit of (change.resume ?? []).map(mine)) {
      if (permit?.state === "deferred") {
        permit.state = this.includesDeferred ? "held" : "waiting";
        permit.passes = this.includesDeferred ? permit.passes : 0;
      }
    }
    for (const { holder, slots, priority, requestedAt } of change.ask ?? []) {
      if (mine(holder) === undefined) {
        this.#arrivals += 1;
        const place = { priority, requestedAt, seq: this.#arrivals };
        this.list.push({ owner, holder, slots, ...place, state: "waiting", passes: 0 });
      }
    }
    this.settle();
  }

  drop(gone: readonly { owner: string; holder: string }[]): void {
    this.list = this.list.filter(
      (permit) => !gone.some(({ owner, holder }) => permit.owner === owner && permit.holder === holder),
    );
  }

  settle(): void {
    for (let next = this.#next(); next !== null; next = this.#next()) {
      next.state = "held";
      this.granted.push(next);
    }
  }

  #next(): NaivePermit | null {
    const line = this.list
      .filter(({ state }) => state === "waiting")
      .toSorted((a, b) => b.priority - a.priority || a.requestedAt - b.requestedAt || a.seq - b.seq);
    const open = this.total - this.occupied;
    const passed: NaivePermit[] = [];
    for (const permit of line) {
      if (permit.slots <= open) {
        for (const other of passed) {
          other.passes += 1;
        }
        return permit;
      }
      const isFirst = line.find(({ slots }) => slots === permit.slots) === permit;
      if (isFirst && permit.slots <= this.total) {
        if (permit.passes >= MAX_PASSES) {
          this.saved += 1;
          return null;
        }
        passed.push(permit);
      }
    }
    return null;
  }
}
