/**
 * What users do to runs and task instances: clear, mark, note, delete. The engine says what changes; all that one call
 * changes, in however many runs, is one transaction.
 *
 * @module
 */
import { chooseForClear, chooseForMark, markedTasks } from "../../src/engine/choices.ts";
import type { ClearRequest, MarkRequest, Neighbourhood, Result } from "../../src/engine/objects.ts";
import type { NodeInstance } from "../../src/engine/task-node.ts";
import type { DagRunView, TaskError, TaskInstanceKey, TaskInstanceView } from "../../src/engine/work.ts";
import { refuse } from "../../src/engine/result.ts";
import type { DagCore } from "./core.ts";
import { repin } from "./repin.ts";
import type { LoadedRun } from "./run-book.ts";
import { instanceView, rowInstanceView, runView } from "./views.ts";
import { fitsAnswer, tooLargeAnswer } from "./answer-size.ts";

/** Runs and task instances that one call may change. */
const MAX_RUNS = 1000;
const MAX_INSTANCES = 20_000;

/** Instances of one run. */
interface Choice {
  run: LoadedRun;
  instances: NodeInstance[];
}

/** What users do to runs and task instances. */
export class RunDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  clear(request: ClearRequest): Result<TaskInstanceView[]> {
    const runs = this.#runsToClear(request);
    if (!runs.ok) {
      return runs;
    }
    const chosen = choose(runs.value, (run) => chooseForClear(run.machine.state, request), request.note);
    if (!chosen.ok) {
      return chosen;
    }
    if (request.prevent_running_task === true) {
      const running = chosen.value.flatMap(({ instances }) => instances).find(({ state }) => state === "running");
      if (running !== undefined) {
        return refuse("conflict", `expected no running task instance, got ${running.node.task.id}, which is running`);
      }
    }
    if (request.dry_run === true) {
      const views = viewsOf(chosen.value);
      this.#core.runs.trim();
      return { ok: true, value: views };
    }
    const now = Date.now();
    const cleared = this.#core.act(now, () => chosen.value.map((choice) => this.#clear(choice, request, now)));
    return { ok: true, value: viewsOf(cleared) };
  }

  mark(request: MarkRequest): Result<TaskInstanceView[]> {
    const found = this.#core.find(request.run_id);
    if (!found.ok) {
      return found;
    }
    const taskIds = markedTasks(request);
    const missing = taskIds.find((id) => !found.value.machine.state.graph.byId.has(id));
    if (missing !== undefined) {
      return refuse("not_found", `Task id ${missing} not found`);
    }
    const runs = this.#around(found.value, request);
    if (!runs.ok) {
      return runs;
    }
    // As in Airflow, runs without a logical date are marked only by their own name, but what failed in them is cleared.
    const isMarked = ({ row }: LoadedRun): boolean => row.run_id === request.run_id || row.logical_date !== null;
    const chosen = choose(runs.value, (run) => (isMarked(run) ? chooseForMark(run.machine.state, request) : []));
    if (!chosen.ok) {
      return chosen;
    }
    // Where nothing changes, nothing downstream goes on either: the caller is told that it was so already.
    if (request.dry_run === true || chosen.value.every(({ instances }) => instances.length === 0)) {
      return { ok: true, value: viewsOf(chosen.value) };
    }
    const now = Date.now();
    const { new_state: to } = request;
    const error: TaskError | null = to === "failed" ? { type: "Marked", message: "marked failed by a user" } : null;
    this.#core.act(now, () => {
      for (const { run, instances } of chosen.value) {
        run.machine.markAll(instances, to, error, now, taskIds);
        this.#core.startIfDue(run, now);
        this.#core.store(run, now);
      }
    });
    return { ok: true, value: viewsOf(chosen.value) };
  }

  patchRun(
    runId: string,
    patch: { state?: "queued" | "success" | "failed"; note?: string | null },
  ): Result<DagRunView> {
    const core = this.#core;
    const found = core.find(runId);
    if (!found.ok) {
      return found;
    }
    const run = found.value;
    const now = Date.now();
    core.act(now, () => {
      if (patch.state !== undefined) {
        run.machine.markRun(patch.state, now);
        core.startIfDue(run, now);
      }
      if (patch.note !== undefined) {
        run.row.note = patch.note;
        run.machine.state.changes.run = true;
      }
      core.store(run, now);
    });
    return { ok: true, value: runView(run) };
  }

  deleteRun(runId: string): Result<null> {
    const core = this.#core;
    const found = core.find(runId);
    if (!found.ok) {
      return found;
    }
    const run = found.value;
    const { row } = run;
    if (row.state === "running") {
      const which = `The DagRun with dag_id: \`${core.name}\` and run_id: \`${runId}\``;
      return refuse("conflict", `${which} cannot be deleted in running state; mark it failed first`);
    }
    const now = Date.now();
    core.act(now, () => {
      // A run that was queued again may have workers from before.
      for (const { instances } of run.machine.state.nodes) {
        for (const instance of instances.filter(({ state }) => state === "running" || state === "restarting")) {
          run.machine.state.stop(instance, "its run was deleted");
        }
      }
      core.store(run, now);
      core.storage.deleteRun(row.id);
      core.payloads.withoutGrace(now);
      core.backfills.runDeleted(row, now);
      core.runs.forget(runId);
      core.past.cameOrWent(run);
    });
    core.waiters.wake(`run:${runId}`);
    return { ok: true, value: null };
  }

  setNote(runId: string, taskId: string, mapIndex: number | null, note: string | null): Result<TaskInstanceView[]> {
    const found = this.#core.find(runId);
    if (!found.ok) {
      return found;
    }
    const run = found.value;
    const { state } = run.machine;
    const instances = (state.nodes[state.graph.byId.get(taskId)?.index ?? -1]?.instances ?? []).filter(
      (instance) => !instance.deleted && (mapIndex === null || instance.mapIndex === mapIndex),
    );
    if (instances.length === 0) {
      const which = mapIndex === null ? `"${taskId}"` : `"${taskId}" with map_index ${mapIndex}`;
      return refuse("not_found", `there is no task instance ${which} in run "${runId}"`);
    }
    if (!fitsAnswer(instances.map((instance) => wordsOf(instance, note)))) {
      return refuse("too_large", tooLargeAnswer(instances.length));
    }
    const now = Date.now();
    this.#core.act(now, () => {
      putNote(run, instances, note);
      this.#core.store(run, now);
    });
    return { ok: true, value: viewsOf([{ run, instances }]) };
  }

  deleteTaskInstance(key: TaskInstanceKey): Result<null> {
    const core = this.#core;
    const found = core.instance(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const now = Date.now();
    core.act(now, () => {
      core.storage.deleteTraces(run.row.id, key.task_id, key.map_index);
      run.machine.forget(instance, now);
      core.store(run, now);
    });
    return { ok: true, value: null };
  }

  listTries(key: TaskInstanceKey): Result<TaskInstanceView[]> {
    const found = this.#core.instance(key);
    if (!found.ok) {
      return found;
    }
    const { run, instance } = found.value;
    const past = this.#core.storage.history(run.row.id, key.task_id, key.map_index);
    const present = instanceView(run, instance);
    // Until the next try begins, the row of the present one still tells of the last, which the history has.
    const isPast = past.at(-1)?.try_number === present.try_number;
    const tries = past.map((row) => rowInstanceView(run, row, run.machine.state.graph));
    return { ok: true, value: isPast ? tries : [...tries, present] };
  }

  /** Clears one run's chosen instances; only inside `act`. */
  #clear(choice: Choice, request: ClearRequest, now: number): Choice {
    const core = this.#core;
    let { run, instances } = choice;
    if (instances.length === 0) {
      return choice;
    }
    if (request.run_on_latest_version === true) {
      run = repin(core, run, now);
      instances = chooseForClear(run.machine.state, request);
    }
    run.machine.clear(instances, now, request.reset_dag_runs !== false);
    if (request.note !== undefined && request.task_ids === null && request.note_on_instances !== true) {
      run.row.note = request.note;
      run.machine.state.changes.run = true;
    } else if (request.note !== undefined) {
      putNote(run, instances, request.note);
    }
    core.startIfDue(run, now);
    core.store(run, now);
    return { run, instances };
  }

  #runsToClear(request: ClearRequest): Result<LoadedRun[]> {
    const core = this.#core;
    if (request.run_id === null) {
      if (!core.open()) {
        return core.unknown();
      }
      return this.#loaded(core.storage.runIdsByLogicalDate(request.start_date ?? null, request.end_date ?? null));
    }
    const found = core.find(request.run_id);
    if (!found.ok) {
      return found;
    }
    const isWide = request.include_past === true || request.include_future === true;
    if (isWide && found.value.row.logical_date === null) {
      const message =
        "Cannot use include_past or include_future with no logical_date(e.g. manually or asset-triggered).";
      return refuse("invalid", message, ["body"]);
    }
    return this.#around(found.value, request);
  }

  /**
   * A run, and with `include_past` or `include_future` those of earlier or later logical dates. Both of them together are
   * every run there is, those without a logical date too.
   */
  #around(run: LoadedRun, { include_past = false, include_future = false }: Neighbourhood): Result<LoadedRun[]> {
    const date = run.row.logical_date;
    if (date === null || !(include_past || include_future)) {
      return { ok: true, value: [run] };
    }
    const { storage } = this.#core;
    return this.#loaded(storage.runIdsByLogicalDate(include_past ? null : date, include_future ? null : date));
  }

  #loaded(runIds: readonly string[]): Result<LoadedRun[]> {
    if (runIds.length > MAX_RUNS) {
      return refuse(
        "too_large",
        `expected at most ${MAX_RUNS} runs in one call, got ${runIds.length}: narrow the dates`,
      );
    }
    return { ok: true, value: runIds.map((runId) => this.#core.runs.get(runId)).filter((run) => run !== null) };
  }
}

/** Chooses instances, unless their views would not fit into one answer. `note`: what the call puts on each of them. */
function choose(
  runs: readonly LoadedRun[],
  which: (run: LoadedRun) => NodeInstance[],
  note: string | null = null,
): Result<Choice[]> {
  const choices = runs.map((run) => ({ run, instances: which(run) }));
  const chosen = choices.flatMap(({ instances }) => instances);
  if (chosen.length > MAX_INSTANCES) {
    return refuse("too_large", `expected at most ${MAX_INSTANCES} task instances in one call, got ${chosen.length}`);
  }
  return fitsAnswer(chosen.map((instance) => wordsOf(instance, note)))
    ? { ok: true, value: choices }
    : refuse("too_large", tooLargeAnswer(chosen.length));
}

/** Characters that people and errors wrote on an instance, once `note` is put on it. */
function wordsOf(instance: NodeInstance, note: string | null): number {
  const { message = "", stack = "" } = instance.error ?? {};
  return (note ?? instance.note ?? "").length + message.length + stack.length;
}

function viewsOf(choices: readonly Choice[]): TaskInstanceView[] {
  return choices.flatMap(({ run, instances }) => instances.map((instance) => instanceView(run, instance)));
}

function putNote(run: LoadedRun, instances: readonly NodeInstance[], note: string | null): void {
  for (const instance of instances) {
    instance.note = note;
    run.machine.state.touch(instance);
  }
}
