/**
 * What users do to runs and task instances: clear, mark, note, delete.
 *
 * @module
 */
import type { ClearRequest, MarkRequest, Result } from "../../src/engine/objects.ts";
import type { DagRunView, TaskInstanceKey, TaskInstanceView } from "../../src/engine/work.ts";
import type { DagCore } from "./core.ts";

/** What users do to runs and task instances: clear, mark, note, delete. */
export class RunDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  clear(request: ClearRequest): Result<TaskInstanceView[]> {
    throw new Error("not built yet");
  }

  mark(request: MarkRequest): Result<TaskInstanceView[]> {
    throw new Error("not built yet");
  }

  patchRun(runId: string, patch: { state?: "queued" | "success" | "failed"; note?: string | null }): Result<DagRunView> {
    throw new Error("not built yet");
  }

  deleteRun(runId: string): Result<null> {
    throw new Error("not built yet");
  }

  setNote(runId: string, taskId: string, mapIndex: number | null, note: string | null): Result<TaskInstanceView[]> {
    throw new Error("not built yet");
  }

  deleteTaskInstance(key: TaskInstanceKey): Result<null> {
    throw new Error("not built yet");
  }

  listTries(key: TaskInstanceKey): Result<TaskInstanceView[]> {
    throw new Error("not built yet");
  }

  dependencies(key: TaskInstanceKey): Result<{ name: string; reason: string }[]> {
    throw new Error("not built yet");
  }
}
