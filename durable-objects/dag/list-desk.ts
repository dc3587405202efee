/**
 * Lists of runs and of task instances.
 *
 * @module
 */
import type { Page, Result, RunQuery, TaskInstanceQuery } from "../../src/engine/objects.ts";
import type { DagRunView, TaskInstanceView } from "../../src/engine/work.ts";
import type { DagCore } from "./core.ts";

/** Lists of runs and of task instances. */
export class ListDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  runs(query: RunQuery): Result<Page<DagRunView>> {
    throw new Error("not built yet");
  }

  taskInstances(runId: string | null, query: TaskInstanceQuery): Result<Page<TaskInstanceView>> {
    throw new Error("not built yet");
  }

  adopted(): Result<TaskInstanceView[]> {
    throw new Error("not built yet");
  }
}
