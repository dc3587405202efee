/**
 * Logs of tries, wherever they lie.
 *
 * @module
 */
import type { LogPage, Result } from "../../src/engine/objects.ts";
import type { TaskInstanceKey } from "../../src/engine/work.ts";
import type { DagCore } from "./core.ts";

/** Logs of tries, wherever they lie. */
export class LogDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  async read(key: TaskInstanceKey, tryNumber: number, from: number, waitMs: number): Promise<Result<LogPage>> {
    throw new Error("not built yet");
  }
}
