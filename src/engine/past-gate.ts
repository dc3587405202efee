/**
 * A task's gate to the past in one run: asks once and remembers the answer until it is told that it may be another one,
 * so that an event that has nothing to do with the run before costs nothing.
 *
 * @module
 */
import type { GraphTask } from "./graph.ts";

/** Who knows the run before. */
export interface PastSource {
  /** Why a task with `depends_on_past` must wait, or null if it need not. */
  unmet(task: GraphTask): string | null;
  /** The same in plain words. */
  plain?(task: GraphTask): string | null;
}

/** The gate of one task with `depends_on_past`. */
export class PastGate {
  readonly #source: PastSource;
  readonly #task: GraphTask;
  #isOpen: boolean | null = null;

  constructor(source: PastSource, task: GraphTask) {
    this.#source = source;
    this.#task = task;
  }

  /** The answer that is remembered, or null: nobody has asked since it was forgotten. */
  get known(): boolean | null {
    return this.#isOpen;
  }

  /** The past lets the task go on. */
  get isOpen(): boolean {
    return (this.#isOpen ??= this.reason() === null);
  }

  /** Why not, looked up anew; null if it does. */
  reason(): string | null {
    return this.#source.unmet(this.#task);
  }

  /** Why not, in plain words; null if it does, or nothing is known. */
  plain(): string | null {
    return this.#source.plain?.(this.#task) ?? null;
  }

  /** Lets the next one who asks look it up anew. */
  forget(): void {
    this.#isOpen = null;
  }
}
