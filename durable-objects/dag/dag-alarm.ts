/** The alarm of a `Dag` object, which costs a row each time it is set. */
export class DagAlarm {
  readonly #ctx: DurableObjectState;
  readonly #countRow: () => void;
  /** When it fires, epoch milliseconds; null if none is known to be set. */
  #at: number | null = null;

  /** @param countRow Is called for each row that setting it writes. */
  constructor(ctx: DurableObjectState, countRow: () => void) {
    this.#ctx = ctx;
    this.#countRow = countRow;
  }

  /** It has fired, or was deleted: none is set any more. */
  forget(): void {
    this.#at = null;
  }

  /** Has it fire at a time; leaves one that is early enough alone. */
  setBy(at: number): void {
    if (this.#at === null || at < this.#at) {
      this.#set(at);
    }
  }

  /**
   * Moves one that would fire before `until`, the time of the next beat, to where something is due: a beat has put off what it was set
   * for. To let it fire and be set again is a call more.
   */
  postpone(until: number, nextDue: () => number | null): void {
    if (this.#at !== null && this.#at <= until) {
      const next = nextDue();
      if (next !== null && next > this.#at) {
        this.#set(next);
      }
    }
  }

  #set(at: number): void {
    this.#at = at;
    this.#countRow();
    this.#ctx.waitUntil(this.#ctx.storage.setAlarm(at));
  }
}
