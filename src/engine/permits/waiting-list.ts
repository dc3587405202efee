/**
 * Who is next. Requests stand in one order: highest priority first, oldest within it. The first that fits is granted, so a
 * small one may pass a large one that does not fit. That must not go on for ever, so:
 *
 * - Whenever a request is granted, each size of which the first in line stands before it and does not fit counts a pass.
 * - A first in line that was passed `MAX_PASSES` times is reserved for: nobody who stands after it is granted
 *   before it. The slots that come free add up until it fits.
 *
 * So among equals a large request is passed at most `MAX_PASSES` times once it is the first of its size, and a small one is held
 * back only while slots are being saved for a large one that has paid for them. Higher priorities always go first, and may
 * starve lower ones: that is what they are for. A request larger than the whole ledger counts no passes and holds nobody back.
 *
 * A change costs O(log n), a grant O(log n) and a look at each size that is asked for, of which there are few.
 *
 * @module
 */
import { IndexedHeap } from "./indexed-heap.ts";
import { comesBefore, type Permit } from "./permit.ts";

/** How often a large request is passed by smaller ones that come after it before slots are saved for it. */
export const MAX_PASSES = 10;

/** The next to be granted, and whom it passes by that. */
export interface NextGrant {
  permit: Permit;
  passed: Permit[];
}

/** Waiting permits of one ledger. */
export class WaitingList {
  /** By the slots asked for: of one size all fit or none does, so only the first of each matters. */
  readonly #sizes = new Map<number, IndexedHeap<Permit>>();

  add(permit: Permit): void {
    const line = this.#sizes.get(permit.slots) ?? new IndexedHeap<Permit>(comesBefore);
    this.#sizes.set(permit.slots, line);
    line.update(permit);
  }

  remove(permit: Permit): void {
    const line = this.#sizes.get(permit.slots);
    line?.remove(permit);
    if (line?.size === 0) {
      this.#sizes.delete(permit.slots);
    }
  }

  /**
   * Takes the next request to be granted off the list, or answers null.
   *
   * @param open Slots that are free; may be below 0 after a ledger has shrunk.
   * @param total Slots there are in all.
   */
  takeNext(open: number, total: number): NextGrant | null {
    let best: Permit | undefined;
    const blocked: Permit[] = [];
    for (const [slots, line] of this.#sizes) {
      const first = line.peek();
      if (first === undefined) {
        continue;
      }
      if (slots > open) {
        blocked.push(first);
      } else if (best === undefined || comesBefore(first, best)) {
        best = first;
      }
    }
    if (best === undefined) {
      return null;
    }
    const next = best;
    const passed = blocked.filter((permit) => permit.slots <= total && comesBefore(permit, next));
    if (passed.some((permit) => permit.passes >= MAX_PASSES)) {
      return null;
    }
    for (const permit of passed) {
      permit.passes += 1;
    }
    this.remove(next);
    return { permit: next, passed };
  }
}
