/**
 * Values of task instances, by a user's word.
 *
 * @module
 */
import type { Page, Result, XComQuery, XComView } from "../../src/engine/objects.ts";
import type { StoredValue, TaskInstanceKey } from "../../src/engine/work.ts";
import type { DagCore } from "./core.ts";

/** Values of task instances, by a user's word. */
export class XComDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  list(query: XComQuery): Result<Page<XComView>> {
    throw new Error("not built yet");
  }

  set(key: TaskInstanceKey, xcomKey: string, value: StoredValue, mode: "create" | "update"): Result<XComView> {
    throw new Error("not built yet");
  }

  delete(key: TaskInstanceKey, xcomKey: string): Result<null> {
    throw new Error("not built yet");
  }
}
