/**
 * An abort controller that is made when somebody first asks for its signal: most tasks end without ever looking at it.
 *
 * @module
 */

/** Fires a handler's signal. */
export class LazyAbort {
  #controller: AbortController | undefined;
  #reason: Error | undefined;

  /** The signal; already aborted if `abort` came first. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) {
        this.#controller.abort(this.#reason);
      }
    }
    return this.#controller.signal;
  }

  /** Why it was aborted; undefined as long as it was not. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Aborts; only the first reason counts. */
  abort(reason: Error): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }
}
