/**
 * A run as plain data, for the oracle: a list of cells (task instances) and nothing that is counted or remembered about
 * them. Whatever a question needs is looked up in the whole list every time.
 *
 * @module
 */
import { expansionLength, feedingTasks } from "../../../src/engine/expansion.ts";
import type { DagSpec, ExpandSpec, TaskSpec } from "../../../src/engine/spec.ts";
import type { DagRunState, TaskInstanceState } from "../../../src/engine/states.ts";

/** What a branch (`followed`) or a short circuit (`skipped`) left for the tasks right behind it. */
export interface SkipAnswer {
  kind: "followed" | "skipped";
  ids: string[];
}

/** One task instance. `index` is -1 while it is unmapped or not expanded. */
export interface Cell {
  readonly task: TaskSpec;
  index: number;
  state: TaskInstanceState;
  tries: number;
  maxTries: number;
  token: number;
  /** When something happens to it by time alone (epoch ms). */
  due: number | null;
  queuedAt: number;
  /** When its try began, whether a job shows it, and how often lateness excused its silence. */
  startedAt: number;
  hasJob: boolean;
  excused: number;
  /** Workers that its try lost in a row at no cost. */
  losses: number;
  sends: number;
  gaveValue: boolean;
  length: number | null;
  answer: SkipAnswer | null;
}

/** A message that must be sent. */
export interface Sent {
  task: string;
  index: number;
  tries: number;
}

/** A whole run. */
export interface World {
  readonly spec: DagSpec;
  readonly logicalDate: number | null;
  readonly runType: string;
  readonly interval: { start: number; end: number };
  run: { state: DagRunState; reason: string | null; start: number | null };
  held: boolean;
  /** Ids of tasks that the run before holds, if they depend on it. */
  shut: Set<string>;
  cells: Cell[];
  /** Messages since somebody last looked. */
  sent: Sent[];
}

export const OVER: readonly TaskInstanceState[] = ["success", "failed", "skipped", "upstream_failed", "removed"];
export const WAITING: readonly TaskInstanceState[] = [null, "up_for_retry", "up_for_reschedule"];

/** A run nobody has started yet: one cell per task, or one per element where the spec alone says how many. */
export function newWorld(spec: DagSpec, of: Pick<World, "logicalDate" | "runType" | "interval">): World {
  const world: World = {
    spec,
    ...of,
    run: { state: "queued", reason: null, start: null },
    held: false,
    shut: new Set(),
    cells: spec.tasks.map((task) => newCell(task, -1)),
    sent: [],
  };
  for (const task of spec.tasks) {
    const expand = expansionOf(world, task);
    const known = expand !== null && feedingTasks(expand).length === 0 ? lengthOfExpansion(world, task) : null;
    if (known !== null && known > 0) {
      expandTo(world, task, known);
    }
  }
  return world;
}

export function newCell(task: TaskSpec, index: number): Cell {
  return {
    task,
    index,
    state: null,
    tries: 0,
    maxTries: task.retries,
    token: 0,
    due: null,
    queuedAt: 0,
    startedAt: 0,
    hasJob: false,
    excused: 0,
    losses: 0,
    sends: 0,
    gaveValue: false,
    length: null,
    answer: null,
  };
}

export function cellsOf(world: World, taskId: string): Cell[] {
  return world.cells.filter((cell) => cell.task.task_id === taskId);
}

export function taskOf(world: World, taskId: string): TaskSpec {
  const task = world.spec.tasks.find(({ task_id }) => task_id === taskId);
  if (task === undefined) {
    throw new Error(`the oracle knows no task ${taskId}`);
  }
  return task;
}

export function isExpanded(world: World, taskId: string): boolean {
  return cellsOf(world, taskId).some((cell) => cell.index >= 0);
}

// ── graph ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function downstreamOf(world: World, taskId: string): TaskSpec[] {
  return world.spec.tasks.filter((task) => task.upstream_task_ids.includes(taskId));
}

/** What is behind the tasks of a spec, which never changes: the one thing that is remembered, for the sake of time. */
const BEHIND = new WeakMap<DagSpec, Map<string, Set<string>>>();

/** Ids of everything behind a task, near and far. */
export function allDownstream(world: World, taskId: string): ReadonlySet<string> {
  const known = BEHIND.get(world.spec) ?? new Map<string, Set<string>>();
  BEHIND.set(world.spec, known);
  const found = known.get(taskId) ?? findDownstream(world, taskId);
  known.set(taskId, found);
  return found;
}

function findDownstream(world: World, taskId: string): Set<string> {
  const found = new Set<string>();
  let edge = downstreamOf(world, taskId);
  while (edge.length > 0) {
    edge.forEach((task) => found.add(task.task_id));
    edge = edge.flatMap((task) => downstreamOf(world, task.task_id)).filter((task) => !found.has(task.task_id));
  }
  return found;
}

/** The setups a task obeys without being right behind them: those without a teardown, or with one behind the task. */
export function indirectSetups(world: World, task: TaskSpec): string[] {
  if (task.is_teardown || task.trigger_rule === "always") {
    return [];
  }
  const behind = allDownstream(world, task.task_id);
  return world.spec.tasks
    .filter((setup) => setup.is_setup && !task.upstream_task_ids.includes(setup.task_id))
    .filter((setup) => allDownstream(world, setup.task_id).has(task.task_id))
    .filter((setup) => {
      const teardowns = downstreamOf(world, setup.task_id).filter((after) => after.is_teardown);
      return teardowns.length === 0 || teardowns.some((teardown) => behind.has(teardown.task_id));
    })
    .map((setup) => setup.task_id);
}

/** What lies on some way from a setup right above a teardown to the teardown, but for what is right above it too. */
export function scopeOf(world: World, teardown: TaskSpec): string[] {
  const always = teardown.trigger_rule === "always";
  const setups = teardown.upstream_task_ids.filter((id) => !always && taskOf(world, id).is_setup);
  return world.spec.tasks
    .map(({ task_id }) => task_id)
    .filter((id) => setups.some((setup) => allDownstream(world, setup).has(id)))
    .filter((id) => allDownstream(world, id).has(teardown.task_id))
    .filter((id) => !teardown.upstream_task_ids.includes(id));
}

/** Tasks whose states decide the run. */
export function decidingTasks(world: World): Set<string> {
  const ignored = (task: TaskSpec): boolean => task.is_teardown && !task.on_failure_fail_dagrun;
  const effective = world.spec.tasks.filter(
    (task) => !ignored(task) && downstreamOf(world, task.task_id).every((after) => ignored(after)),
  );
  const plain = world.spec.tasks.filter((task) => downstreamOf(world, task.task_id).length === 0);
  return new Set((effective.length > 0 ? effective : plain).map((task) => task.task_id));
}

// ── groups and mapping ────────────────────────────────────────────────────────────────────────────────────────────

/** Ids of the groups around a task, the innermost first. */
function groupsAround(world: World, task: TaskSpec): string[] {
  const groups: string[] = [];
  for (let id = task.task_group_id; id !== undefined;) {
    groups.push(id);
    id = world.spec.task_groups.find((group) => group.group_id === id)?.parent_group_id;
  }
  return groups;
}

export function mappedGroupOf(world: World, task: TaskSpec): string | null {
  const mapped = world.spec.task_groups.filter((group) => group.expand !== undefined).map((group) => group.group_id);
  return groupsAround(world, task).find((id) => mapped.includes(id)) ?? null;
}

export function groupMembers(world: World, groupId: string): TaskSpec[] {
  return world.spec.tasks.filter((task) => groupsAround(world, task).includes(groupId));
}

export function expansionOf(world: World, task: TaskSpec): ExpandSpec | null {
  const group = mappedGroupOf(world, task);
  return task.expand ?? world.spec.task_groups.find(({ group_id }) => group_id === group)?.expand ?? null;
}

export function feedersOf(world: World, task: TaskSpec): string[] {
  const expand = expansionOf(world, task);
  return expand === null ? [] : feedingTasks(expand);
}

/** How many elements a task's expansion has now; null while a length is not known. */
export function lengthOfExpansion(world: World, task: TaskSpec): number | null {
  const expand = expansionOf(world, task);
  return expand === null ? null : expansionLength(expand, (taskId) => lengthOfValue(world, taskId), {});
}

function lengthOfValue(world: World, taskId: string): number | null {
  const cells = cellsOf(world, taskId);
  if (!isExpanded(world, taskId)) {
    return cells.every((cell) => cell.state === "success") ? (cells[0]?.length ?? null) : null;
  }
  const allOver = cells.every((cell) => OVER.includes(cell.state));
  return allOver ? cells.filter((cell) => cell.gaveValue && cell.state !== "removed").length : null;
}

/** Makes a task have cells 0 to `length` - 1: the unexpanded one becomes the first, what is missing is added. */
export function expandTo(world: World, task: TaskSpec, length: number): void {
  for (const cell of cellsOf(world, task.task_id)) {
    cell.index = Math.max(cell.index, 0);
  }
  const present = cellsOf(world, task.task_id).map((cell) => cell.index);
  for (let index = 0; index < length; index += 1) {
    if (!present.includes(index)) {
      world.cells.push(newCell(task, index));
    }
  }
}
