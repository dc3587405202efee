/**
 * A binary heap of due times. Entries are not removed when a timer changes; the owner says whether an entry still holds
 * when it comes up, which keeps every change O(log n).
 *
 * @module
 */

interface Entry<T> {
  at: number;
  item: T;
}

/** Timers of many items, each with at most one due time, asked for in order. */
export class TimerHeap<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #dueOf: (item: T) => number | null;

  /** @param dueOf Gives the item's present due time (epoch ms) or null; an entry that disagrees with it is dropped. */
  constructor(dueOf: (item: T) => number | null) {
    this.#dueOf = dueOf;
  }

  /** Adds the item's due time. Adding again after a change is enough; the old entry dies by itself. */
  add(at: number, item: T): void {
    const heap = this.#heap;
    let child = heap.push({ at, item }) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#at(parent) <= this.#at(child)) {
        break;
      }
      this.#swap(parent, child);
      child = parent;
    }
  }

  /** The earliest due time, or null when no timer is set. */
  next(): number | null {
    return this.#settleHead()?.at ?? null;
  }

  /** Takes one item whose time is strictly before or at `now`, or undefined. */
  takeDue(now: number): T | undefined {
    const head = this.#settleHead();
    if (head === undefined || head.at > now) {
      return undefined;
    }
    this.#removeHead();
    return head.item;
  }

  /** Says whether any item whose timer still holds meets a condition; may look at all of them. */
  some(condition: (item: T) => boolean): boolean {
    return this.#heap.some(({ at, item }) => this.#dueOf(item) === at && condition(item));
  }

  #settleHead(): Entry<T> | undefined {
    for (;;) {
      const head = this.#heap[0];
      if (head === undefined || this.#dueOf(head.item) === head.at) {
        return head;
      }
      this.#removeHead();
    }
  }

  #removeHead(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) {
      return;
    }
    heap[0] = last;
    for (let parent = 0; ;) {
      const left = 2 * parent + 1;
      const right = left + 1;
      let least = parent;
      if (left < heap.length && this.#at(left) < this.#at(least)) {
        least = left;
      }
      if (right < heap.length && this.#at(right) < this.#at(least)) {
        least = right;
      }
      if (least === parent) {
        return;
      }
      this.#swap(parent, least);
      parent = least;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a];
    const y = this.#heap[b];
    if (x !== undefined && y !== undefined) {
      this.#heap[a] = y;
      this.#heap[b] = x;
    }
  }
}
