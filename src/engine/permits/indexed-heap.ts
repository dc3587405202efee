/**
 * A binary heap that knows where its items lie, so that any of them can be taken out or moved in O(log n). What is taken
 * out leaves nothing behind: a list that lives for months does not grow by what came and went.
 *
 * @module
 */

/** Items in an order; each at most once. */
export class IndexedHeap<T extends object> {
  readonly #items: T[] = [];
  readonly #places = new Map<T, number>();
  readonly #isBefore: (a: T, b: T) => boolean;

  /** @param isBefore A strict order. An item whose place in it changes must be given to `update`. */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#items.length;
  }

  /** The first item, or undefined. */
  peek(): T | undefined {
    return this.#items[0];
  }

  /** Adds an item, or finds the new place of one that is here. */
  update(item: T): void {
    const place = this.#places.get(item) ?? this.#items.push(item) - 1;
    this.#places.set(item, place);
    this.#sink(this.#rise(place));
  }

  /** Takes an item out. Does nothing if it is not here. */
  remove(item: T): void {
    const place = this.#places.get(item);
    if (place === undefined) {
      return;
    }
    const last = this.#items.pop();
    this.#places.delete(item);
    if (last !== undefined && last !== item) {
      this.#put(place, last);
      this.#sink(this.#rise(place));
    }
  }

  /** Moves the item at a place towards the head as far as it belongs; gives its new place. */
  #rise(place: number): number {
    let child = place;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#swapIfBefore(child, parent)) {
        break;
      }
      child = parent;
    }
    return child;
  }

  #sink(place: number): void {
    for (let parent = place; ;) {
      const left = 2 * parent + 1;
      const least = this.#isItemBefore(left + 1, left) ? left + 1 : left;
      if (!this.#swapIfBefore(least, parent)) {
        return;
      }
      parent = least;
    }
  }

  #swapIfBefore(place: number, other: number): boolean {
    const item = this.#items[place];
    const displaced = this.#items[other];
    if (item === undefined || displaced === undefined || !this.#isBefore(item, displaced)) {
      return false;
    }
    this.#put(other, item);
    this.#put(place, displaced);
    return true;
  }

  #isItemBefore(place: number, other: number): boolean {
    const item = this.#items[place];
    const rival = this.#items[other];
    return item !== undefined && rival !== undefined && this.#isBefore(item, rival);
  }

  #put(place: number, item: T): void {
    this.#items[place] = item;
    this.#places.set(item, place);
  }
}
