/**
 * Lists of runs and of task instances. What is in memory is listed from memory; of runs that are over and were not asked
 * for lately the rows are enough, and no machine is built.
 *
 * @module
 */
import { tasksOfGroup } from "../../src/engine/graph.ts";
import type { Page, Result, RunFilter, RunQuery, TaskInstanceQuery } from "../../src/engine/objects.ts";
import { isRunFinished } from "../../src/engine/states.ts";
import type { DagRunView, TaskInstanceView } from "../../src/engine/work.ts";
import { refuse } from "../../src/engine/result.ts";
import { fitsAnswer, tooLargeAnswer } from "./answer-size.ts";
import type { DagCore } from "./core.ts";
import { fitsFilter, listedOrder, type Listed } from "./instance-query.ts";
import { fitsPatterns, runOrder, runWhere } from "./run-query.ts";
import type { RunRow, VersionRow } from "./storage.ts";
import { instanceView, rowInstanceView, rowRunView, runView } from "./views.ts";

/** How many entries beyond those asked for are sorted at once. */
const SLACK = 5000;

/** What a version says of a task. */
interface TaskFacts {
  version: VersionRow;
  tasks: ReadonlyMap<string, Pick<Listed, "spec" | "taskIndex" | "groups">>;
}

/** Lists of one `Dag` object. */
export class ListDesk {
  readonly #core: DagCore;

  constructor(core: DagCore) {
    this.#core = core;
  }

  runs(query: RunQuery): Result<Page<DagRunView>> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const ids = this.#runIds(query, query.order_by);
    const rows = core.storage.runsByIds(ids.slice(query.offset, query.offset + query.limit));
    const counts = core.storage.countStates(rows.filter((row) => this.#isSettled(row)).map(({ id }) => id));
    const items = rows.flatMap((row) => {
      if (this.#isSettled(row)) {
        return [rowRunView(core.name, row, core.runs.version(row.version_number).row, counts.get(row.id) ?? {})];
      }
      const run = core.runs.get(row.run_id);
      return run === null ? [] : [runView(run)];
    });
    core.runs.trim();
    return { ok: true, value: { items, total: ids.length } };
  }

  taskInstances(runId: string | null, query: TaskInstanceQuery): Result<Page<TaskInstanceView>> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    if (runId !== null && core.storage.runByRunId(runId) === null) {
      return core.unknownRun(runId);
    }
    const filter: RunFilter = { ...query.runs, ...(runId === null ? {} : { run_ids: [runId] }) };
    const ids = this.#runIds(filter, []);
    const facts = new Map<number, TaskFacts>();
    const order = listedOrder(query.order_by);
    const wanted = query.offset + query.limit;
    let total = 0;
    let best: Listed[] = [];
    for (const run of core.storage.runsByIds(ids)) {
      for (const listed of this.#instancesOf(run, facts)) {
        if (fitsFilter(listed, query)) {
          total += 1;
          best.push(listed);
        }
      }
      if (best.length > wanted + SLACK) {
        best = best.toSorted(order).slice(0, wanted);
      }
    }
    const page = best.toSorted(order).slice(query.offset, wanted);
    if (!fitsAnswer(page.map(({ row }) => (row.note?.length ?? 0) + (row.error?.length ?? 0)))) {
      return refuse("too_large", tooLargeAnswer(page.length));
    }
    const items = page.map(({ run, row }) => {
      const { row: version, graph } = core.runs.version(run.version_number);
      return rowInstanceView({ dagId: core.name, row: run, version }, row, graph);
    });
    core.runs.trim();
    return { ok: true, value: { items, total } };
  }

  adopted(): Result<TaskInstanceView[]> {
    const core = this.#core;
    if (!core.open()) {
      return core.unknown();
    }
    const adopted = core.unfinished().flatMap((run) =>
      run.machine.state.nodes
        .flatMap((node) => node.instances)
        .filter(({ state, jobId }) => jobId !== null && (state === "running" || state === "restarting"))
        .map((instance) => instanceView(run, instance)),
    );
    adopted.sort((a, b) => (a.start_date ?? 0) - (b.start_date ?? 0));
    return { ok: true, value: adopted };
  }

  /** Sequence numbers of all runs that fit, in order. */
  #runIds(filter: RunFilter, orderBy: readonly string[]): number[] {
    const { where, bindings } = runWhere(filter);
    return this.#core.storage
      .selectRuns(where, bindings, runOrder(orderBy), filter.conf_contains !== undefined)
      .filter((sketch) => fitsPatterns(sketch, filter))
      .map(({ id }) => id);
  }

  /** Its stored rows say all there is: it is over, nobody changed it since, and nothing of it was left undecided. */
  #isSettled(row: RunRow): boolean {
    const isOver = isRunFinished(row.state) && row.reason !== "all_tasks_deadlocked" && row.start_date !== null;
    return isOver && this.#core.runs.peek(row.run_id) === null;
  }

  *#instancesOf(run: RunRow, facts: Map<number, TaskFacts>): Generator<Listed> {
    const { tasks } = this.#facts(run.version_number, facts);
    const loaded = this.#isSettled(run) ? null : this.#core.runs.get(run.run_id);
    const rows =
      loaded === null
        ? this.#core.storage.loadInstances(run.id).rows
        : loaded.machine.state.nodes.flatMap((node) => node.instances.map((instance) => instance.toRow()));
    for (const row of rows) {
      const task = tasks.get(row.task_id);
      if (task !== undefined) {
        yield { run: loaded?.row ?? run, row, ...task };
      }
    }
    // Of a backfill thousands may wait, or have been cancelled: they need not be in memory together.
    if (loaded !== null && loaded.row.backfill_id !== null) {
      this.#core.runs.rest(loaded);
    }
  }

  #facts(versionNumber: number, known: Map<number, TaskFacts>): TaskFacts {
    let facts = known.get(versionNumber);
    if (facts === undefined) {
      const { row: version } = this.#core.runs.version(versionNumber);
      const { spec } = version;
      const groups = new Map<string, Set<string>>(spec.tasks.map((task) => [task.task_id, new Set<string>()]));
      for (const { group_id: groupId } of spec.task_groups) {
        for (const taskId of tasksOfGroup(spec, groupId)) {
          groups.get(taskId)?.add(groupId);
        }
      }
      facts = {
        version,
        tasks: new Map(
          spec.tasks.map((task, taskIndex) => [
            task.task_id,
            { spec: task, taskIndex, groups: groups.get(task.task_id) ?? new Set<string>() },
          ]),
        ),
      };
      known.set(versionNumber, facts);
    }
    return facts;
  }
}
