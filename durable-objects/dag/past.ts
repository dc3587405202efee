/**
 * Runs that look at the run before them (`depends_on_past`). A run asks when nothing else holds a task any more, and from then
 * on follows the run it asked about: what changes there makes it look again, in the same turn. A DAG without such tasks
 * has no followers and pays nothing.
 *
 * @module
 */
import { sayPast } from "../../src/engine/explain-past.ts";
import type { GraphTask } from "../../src/engine/graph.ts";
import { countsManualRuns, tallyOf, unmetPast, type PastTally, type PreviousRun } from "../../src/engine/past.ts";
import type { PastSource } from "../../src/engine/past-gate.ts";
import { forgetPast, givePast, idsDownstream, previousChanged, type Standing } from "../../src/engine/run-past.ts";
import type { RunChanges, RunState } from "../../src/engine/run-state.ts";
import { isRunFinished, type TaskInstanceState } from "../../src/engine/states.ts";
import type { TaskNode } from "../../src/engine/task-node.ts";
import type { DagCore } from "./core.ts";
import type { PreviousRunRow } from "./past-storage.ts";
import type { LoadedRun } from "./run-book.ts";

/** One run's view of the past. */
class RunPast implements PastSource {
  readonly run: LoadedRun;
  /** The run it follows; null: there is none before it. */
  readonly previous: PreviousRunRow | null;
  /** How a run stands that is not in memory. */
  #tallies: Map<string, PastTally> | null = null;

  readonly #core: DagCore;

  constructor(core: DagCore, run: LoadedRun) {
    this.#core = core;
    this.run = run;
    const { logical_date: date } = run.row;
    this.previous = date === null ? null : core.storage.past.previousRun(date, countsManualRuns(run.version.spec));
  }

  unmet(task: GraphTask): string | null {
    const { row, version, machine } = this.run;
    return unmetPast(task, idsDownstream(machine.state.graph.tasks, task), {
      run: row,
      dag: version.spec,
      previous: this.#previousRun(),
      isInAnyEarlierRun: (taskId) => this.#core.storage.past.hasEarlier(row.logical_date ?? 0, taskId),
    });
  }

  plain(task: GraphTask): string | null {
    const { previous, run } = this;
    if (previous === null) {
      return null;
    }
    const loaded = this.#core.runs.peek(previous.run_id);
    const states = (taskId: string): TaskInstanceState[] => {
      const node = loaded === null ? undefined : nodeOf(loaded.machine.state, taskId);
      if (node !== undefined) {
        return node.instances.map(({ state }) => state);
      }
      const { graph } = this.#core.runs.version(previous.version_number);
      const rows = this.#core.storage.loadInstances(previous.id).rows.filter(({ task_id: id }) => id === taskId);
      return graph.byId.has(taskId) && rows.length === 0 ? [null] : rows.map(({ state }) => state);
    };
    const waitsFor = (taskId: string): string | null => {
      const gate = loaded === null ? null : (nodeOf(loaded.machine.state, taskId)?.past ?? null);
      return gate === null || gate.isOpen ? null : this.#core.past.previousOf(previous.run_id);
    };
    return sayPast(task.id, idsDownstream(run.machine.state.graph.tasks, task), {
      run_id: previous.run_id,
      logical_date: previous.logical_date,
      statesOf: states,
      waitsFor,
    });
  }

  /** The run before changed, and its rows with it. */
  previousChanged(versionNumber: number): void {
    this.#tallies = null;
    if (this.previous !== null) {
      this.previous.version_number = versionNumber;
    }
  }

  #previousRun(): PreviousRun | null {
    const { previous } = this;
    if (previous === null) {
      return null;
    }
    const loaded = this.#core.runs.peek(previous.run_id);
    const { graph } = loaded?.machine.state ?? this.#core.runs.version(previous.version_number);
    return {
      logical_date: previous.logical_date,
      tally: (taskId) => {
        const index = graph.byId.get(taskId)?.index;
        if (index === undefined) {
          return { present: 0, unsuccessful: 0 };
        }
        const node = loaded?.machine.state.nodes[index];
        if (node !== undefined) {
          return tallyOf(node.instances.map(({ state }) => state));
        }
        this.#tallies ??= this.#core.storage.past.tallies(previous.id);
        return this.#tallies.get(taskId) ?? { present: 1, unsuccessful: 1 };
      },
    };
  }
}

/** The past of the runs of one `Dag` object. */
export class PastDesk {
  readonly #core: DagCore;
  /** Unfinished runs that have asked, by their id. */
  readonly #asked = new Map<string, RunPast>();
  /** The same by the id of the run that each follows. */
  readonly #followers = new Map<string, Set<RunPast>>();
  /** Runs that have to look again at the end of this turn. */
  readonly #due = new Set<LoadedRun>();

  constructor(core: DagCore) {
    this.#core = core;
  }

  /** Gives a run that came into memory its past. One without a logical date has none. */
  attach(run: LoadedRun): void {
    const { row, machine } = run;
    if (machine.state.graph.dependsOnPast && row.logical_date !== null) {
      this.#leave(row.run_id);
      givePast(machine.state, {
        unmet: (task) => this.#pastOf(run).unmet(task),
        plain: (task) => this.#pastOf(run).plain(task),
      });
    }
  }

  /** The run that an unfinished one follows; null if there is none, or it has not asked. */
  previousOf(runId: string): string | null {
    return this.#asked.get(runId)?.previous?.run_id ?? null;
  }

  /** Notes what was just stored of a run; only inside `act`. */
  changed(run: LoadedRun, changes: RunChanges): void {
    if (this.#asked.size === 0) {
      return;
    }
    const { row, machine } = run;
    if (isRunFinished(row.state)) {
      this.#leave(row.run_id);
    }
    if (changes.instances.some(({ state, node }) => state === "removed" && standingOf(node) === "gone")) {
      this.tasksWent(run);
    }
    const followers = this.#followers.get(row.run_id);
    if (followers === undefined) {
      return;
    }
    const tasks = changes.run ? null : tasksOf(changes);
    for (const follower of followers) {
      follower.previousChanged(row.version_number);
      if (previousChanged(follower.run.machine.state, tasks, (taskId) => standingOf(nodeOf(machine.state, taskId)))) {
        this.#due.add(follower.run);
      }
    }
  }

  /** Notes that a run was made, deleted or became another type: those after it look at their past anew. Only inside `act`. */
  cameOrWent({ row }: { row: Pick<LoadedRun["row"], "run_id" | "logical_date"> }): void {
    if (this.#core.runs.peek(row.run_id) === null) {
      this.#leave(row.run_id);
    }
    this.#lookAnewAfter(row.logical_date);
  }

  /** Notes that a run lost tasks: for some run after it, it may have been the only one that had them. Only inside `act`. */
  tasksWent({ row }: LoadedRun): void {
    this.#lookAnewAfter(row.logical_date);
  }

  /**
   * Lets the runs go on that have to look again, and those after them in turn, without recursion: a long row of runs may end in one
   * turn. Says whether there were any. Only inside `act`.
   */
  goOn(now: number): boolean {
    const hadWork = this.#due.size > 0;
    for (const run of this.#due) {
      this.#due.delete(run);
      if (this.#core.runs.peek(run.row.run_id) === run && run.row.state === "running") {
        run.machine.advance(now);
        this.#core.store(run, now);
      }
    }
    return hadWork;
  }

  /** Forgets everything: memory is read anew. */
  clear(): void {
    this.#asked.clear();
    this.#followers.clear();
    this.#due.clear();
  }

  /** The past of a run, which follows the run before it from now on, unless it is over: then nobody needs to tell it. */
  #pastOf(run: LoadedRun): RunPast {
    const known = this.#asked.get(run.row.run_id);
    if (known !== undefined && known.run === run) {
      return known;
    }
    const past = new RunPast(this.#core, run);
    if (!isRunFinished(run.row.state)) {
      this.#leave(run.row.run_id);
      this.#asked.set(run.row.run_id, past);
      if (past.previous !== null) {
        const { run_id } = past.previous;
        this.#followers.set(run_id, (this.#followers.get(run_id) ?? new Set()).add(past));
      }
    }
    return past;
  }

  #lookAnewAfter(date: number | null): void {
    if (date === null) {
      return;
    }
    for (const { run } of this.#asked.values()) {
      if ((run.row.logical_date ?? date) > date) {
        this.#lookAnew(run);
      }
    }
  }

  #lookAnew(run: LoadedRun): void {
    this.#leave(run.row.run_id);
    forgetPast(run.machine.state);
    this.#due.add(run);
  }

  #leave(runId: string): void {
    const past = this.#asked.get(runId);
    const previousId = past?.previous?.run_id;
    this.#asked.delete(runId);
    if (past !== undefined && previousId !== undefined) {
      const followers = this.#followers.get(previousId);
      followers?.delete(past);
      if (followers?.size === 0) {
        this.#followers.delete(previousId);
      }
    }
  }
}

function nodeOf({ graph, nodes }: RunState, taskId: string): TaskNode | undefined {
  return nodes[graph.byId.get(taskId)?.index ?? -1];
}

function standingOf(node: TaskNode | undefined): Standing {
  if (node === undefined || node.instances.every(({ state }) => state === "removed")) {
    return "gone";
  }
  return node.unfinished > 0 ? "unfinished" : "over";
}

/** The tasks that changes are about. */
function tasksOf({ instances, mapLengths }: RunChanges): Set<string> {
  const tasks = new Set(mapLengths.map(({ task_id }) => task_id));
  for (const { node } of instances) {
    tasks.add(node.task.id);
  }
  return tasks;
}
