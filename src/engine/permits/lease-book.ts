/**
 * When whom to tell what, so that neither a grant nor a slot can be lost:
 *
 * - A grant is told its owner again and again, ever more slowly, until the owner has acknowledged it.
 * - After half a lease without a word the owner is asked in the same way whether it still wants what it holds; each answer
 *   renews the lease. If the lease ends in silence, the owner is asked a last time and has `LAST_CALL_MS` to answer, since the
 *   clock may have jumped while everybody slept. Then the lease has lapsed.
 *
 * @module
 */
import { IndexedHeap } from "./indexed-heap.ts";
import type { Delivery, Permit } from "./permit.ts";

/** How long the answer of a call has to be acknowledged before the grants in it are told again. */
export const ANSWER_MS = 5000;
/** An owner that did not answer is told again after this, then after twice that, and so on up to a minute. */
export const RETRY_MS = 2000;
const MAX_RETRY_MS = 60_000;
/** How long an owner has to answer when its lease is over. */
export const LAST_CALL_MS = 30_000;

/** The leases of one ledger: of all permits that are held or deferred. */
export class LeaseBook {
  readonly #dues = new IndexedHeap<Permit>((a, b) => a.due < b.due);
  readonly #unknown = new Map<string, Set<Permit>>();

  /** Takes up a lease that was stored. */
  load(permit: Permit, now: number): void {
    // No lease is longer than its length, wherever the clock was when it began.
    const longest = permit.isLastCall ? LAST_CALL_MS : permit.leaseMs;
    permit.leaseEnd = Math.min(permit.leaseEnd ?? now, now + longest);
    permit.due = permit.isKnown ? checkAt(permit) : now;
    permit.tries = 0;
    this.#add(permit);
  }

  /** Begins a lease that its owner does not know of yet. */
  begin(permit: Permit, now: number): void {
    permit.leaseEnd = now + permit.leaseMs;
    permit.isLastCall = false;
    permit.isKnown = false;
    permit.due = now;
    permit.tries = 0;
    this.#add(permit);
  }

  /** Ends a lease. */
  end(permit: Permit): void {
    this.#dues.remove(permit);
    this.#know(permit);
    permit.leaseEnd = null;
    permit.isLastCall = false;
    permit.isKnown = false;
  }

  /** The owner knows it. That alone need not be stored: should it be forgotten, the owner is told once more. */
  confirm(permit: Permit): void {
    permit.isKnown = true;
    permit.tries = 0;
    permit.due = checkAt(permit);
    this.#dues.update(permit);
    this.#know(permit);
  }

  /** The owner still wants it: the lease begins anew. */
  renew(permit: Permit, now: number): void {
    permit.leaseEnd = now + permit.leaseMs;
    permit.isLastCall = false;
    this.confirm(permit);
  }

  /** Says whether the owner's word is due, so that its answer renews the lease. */
  isCheckDue(permit: Permit, now: number): boolean {
    return permit.isLastCall || now >= checkAt(permit);
  }

  /** What an owner was granted and has not acknowledged. */
  unknownTo(owner: string): Iterable<Permit> {
    return this.#unknown.get(owner) ?? [];
  }

  /** The answer to the owner's present call tells it of this one. */
  toldByAnswer(permit: Permit, now: number): void {
    permit.due = Math.max(permit.due, Math.min(now + ANSWER_MS, permit.leaseEnd ?? now));
    this.#dues.update(permit);
  }

  /** Finds the leases that are over: those that have lapsed, and those whose owner is asked a last time from now on. */
  takeOver(now: number): { lapsed: Permit[]; called: Permit[] } {
    const lapsed: Permit[] = [];
    const called: Permit[] = [];
    const due = this.#takeDue(now);
    for (const permit of due) {
      if (permit.leaseEnd !== null && permit.leaseEnd <= now) {
        if (permit.isLastCall) {
          lapsed.push(permit);
          continue;
        }
        permit.isLastCall = true;
        permit.leaseEnd = now + LAST_CALL_MS;
        called.push(permit);
      }
      this.#dues.update(permit);
    }
    return { lapsed, called };
  }

  /** What is to be told now, by owner. It is due again later, unless the owner answers. */
  takeDeliveries(now: number): Delivery[] {
    return this.tell(this.#takeDue(now), now);
  }

  /** Tells owners of these, due or not. */
  tell(permits: Iterable<Permit>, now: number): Delivery[] {
    const byOwner = new Map<string, Permit[]>();
    for (const permit of permits) {
      permit.due = Math.min(now + Math.min(RETRY_MS * 2 ** permit.tries, MAX_RETRY_MS), permit.leaseEnd ?? now);
      permit.tries += 1;
      this.#dues.update(permit);
      const told = byOwner.get(permit.owner);
      if (told === undefined) {
        byOwner.set(permit.owner, [permit]);
      } else {
        told.push(permit);
      }
    }
    return [...byOwner].map(([owner, told]) => ({ owner, permits: told }));
  }

  /** When something is due next, or null. */
  nextDue(): number | null {
    return this.#dues.peek()?.due ?? null;
  }

  #add(permit: Permit): void {
    this.#dues.update(permit);
    if (!permit.isKnown) {
      const unknown = this.#unknown.get(permit.owner) ?? new Set();
      this.#unknown.set(permit.owner, unknown.add(permit));
    }
  }

  #know(permit: Permit): void {
    const unknown = this.#unknown.get(permit.owner);
    unknown?.delete(permit);
    if (unknown?.size === 0) {
      this.#unknown.delete(permit.owner);
    }
  }

  #takeDue(now: number): Permit[] {
    const due: Permit[] = [];
    for (let next = this.#dues.peek(); next !== undefined && next.due <= now; next = this.#dues.peek()) {
      due.push(next);
      this.#dues.remove(next);
    }
    return due;
  }
}

/** When the owner is asked whether it still wants what it holds: half a lease before its end. */
function checkAt({ leaseEnd, leaseMs }: Permit): number {
  return (leaseEnd ?? 0) - Math.floor(leaseMs / 2);
}
