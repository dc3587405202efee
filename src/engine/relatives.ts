/**
 * Which task instances a request means when it names some tasks and asks for what is upstream or downstream: Airflow's
 * clear (`find_relevant_relatives`, `partial_subset`) and mark (`find_task_relatives`). Pure over the graph; states are
 * looked at by the caller.
 *
 * @module
 */
import { reachable, type Graph, type GraphTask } from "./graph.ts";

/** Instances of a task: all of them, or some by map index. */
export type Indexes = "all" | ReadonlySet<number>;

/** Chosen instances by the index of their task in the graph. */
export type Selection = Map<number, Indexes>;

/** A task id, or one mapped instance of a task. */
export type TaskName = string | [string, number];

export interface Directions {
  upstream: boolean;
  downstream: boolean;
}

const UPSTREAM: Directions = { upstream: true, downstream: false };
const DOWNSTREAM: Directions = { upstream: false, downstream: true };
const NEITHER: Directions = { upstream: false, downstream: false };

/** Every task. */
export function selectAll(graph: Graph): Selection {
  return new Map(graph.tasks.map(({ index }) => [index, "all"]));
}

/** Those named, and no others. Unknown ids choose nothing. */
export function selectNamed(graph: Graph, names: readonly TaskName[]): Selection {
  const selection: Selection = new Map();
  for (const name of names) {
    const [id, mapIndex] = typeof name === "string" ? [name, null] : name;
    const task = graph.byId.get(id);
    if (task !== undefined) {
      add(selection, task.index, mapIndex === null ? "all" : new Set([mapIndex]));
    }
  }
  return selection;
}

/**
 * For a clear in one run: those named, with `upstream` what lies above them, with `downstream` what lies below them and
 * below what `upstream` added; and the setups and teardowns of the scope of all that. Of a task in the same mapped group
 * as a named element, only that element, unless the task is also reached from outside of the group.
 */
export function selectForClear(
  graph: Graph,
  names: readonly TaskName[],
  { upstream, downstream }: Directions,
): Selection {
  const selection = selectNamed(graph, names);
  if (upstream) {
    widen(graph, selection, UPSTREAM);
  }
  if (downstream) {
    widen(graph, selection, DOWNSTREAM);
  }
  addScopes(graph, selection);
  return selection;
}

/**
 * For a clear over several runs that names none of them: as `selectForClear`, but each direction goes from the named tasks
 * alone, and takes every instance of a relative.
 */
export function selectForClearOfRuns(graph: Graph, names: readonly TaskName[], directions: Directions): Selection {
  const selection = selectNamed(graph, names);
  if (directions.upstream || directions.downstream) {
    addAll(selection, subsetAround(graph, [...selection.keys()], directions));
  }
  addScopes(graph, selection);
  return selection;
}

/** For a mark: those named, all that lies upstream of them, and all that lies downstream but for teardowns. */
export function selectForMark(
  graph: Graph,
  names: readonly TaskName[],
  { upstream, downstream }: Directions,
): Selection {
  const selection = selectNamed(graph, names);
  const named = [...selection.keys()];
  for (const index of named) {
    addAll(selection, upstream ? reachable(graph.tasks, index, "upstream") : []);
    const below = downstream ? [...reachable(graph.tasks, index, "downstream")] : [];
    addAll(
      selection,
      below.filter((relative) => graph.tasks[relative]?.spec.is_teardown !== true),
    );
  }
  return selection;
}

/** What a mark lets run again, if it failed: what lies below the marked tasks, with the setups and teardowns of its scope. */
export function selectBelow(graph: Graph, taskIds: readonly string[]): Selection {
  const marked = [...selectNamed(graph, taskIds).keys()];
  const selection: Selection = new Map();
  addAll(selection, subsetAround(graph, marked, DOWNSTREAM));
  for (const index of marked) {
    selection.delete(index);
  }
  return selection;
}

/** Says whether an instance is chosen. */
export function isSelected(selection: Selection, taskIndex: number, mapIndex: number): boolean {
  const indexes = selection.get(taskIndex);
  return indexes !== undefined && (indexes === "all" || indexes.has(mapIndex));
}

/** Adds what lies in one direction of a selection: around whole tasks every instance, around an element its own. */
function widen(graph: Graph, selection: Selection, direction: Directions): void {
  const whole: number[] = [];
  const elements: [GraphTask, ReadonlySet<number>][] = [];
  for (const [index, indexes] of selection) {
    const task = graph.tasks[index];
    if (task !== undefined && indexes !== "all" && task.expand !== null) {
      elements.push([task, indexes]);
    } else {
      whole.push(index);
    }
  }
  for (const [task, indexes] of elements) {
    for (const relative of reachable(graph.tasks, task.index, direction.upstream ? "upstream" : "downstream")) {
      if (isInSameMappedGroup(graph, task, relative)) {
        add(selection, relative, indexes);
      } else {
        add(selection, relative, "all");
        whole.push(relative);
      }
    }
  }
  addAll(selection, subsetAround(graph, whole, direction));
}

/** Adds the setups that the chosen tasks are in the scope of with their teardowns, and of a setup its teardowns. */
function addScopes(graph: Graph, selection: Selection): void {
  for (const index of subsetAround(graph, [...selection.keys()], NEITHER)) {
    if (!selection.has(index)) {
      selection.set(index, "all");
    }
  }
}

/** What a part of the DAG around some tasks holds beside them (Airflow: `partial_subset`). */
function subsetAround(graph: Graph, from: Iterable<number>, { upstream, downstream }: Directions): Set<number> {
  const found = new Set<number>();
  const addEach = (indexes: Iterable<number>): void => {
    for (const index of indexes) {
      found.add(index);
    }
  };
  for (const start of new Set(from)) {
    for (const index of downstream ? reachable(graph.tasks, start, "downstream") : []) {
      found.add(index);
      addEach(setupsOf(graph, index));
    }
    for (const index of upstream ? reachable(graph.tasks, start, "upstream") : []) {
      found.add(index);
      addEach(teardownsOf(graph, index));
    }
    if (!upstream) {
      addEach(setupsOf(graph, start));
    }
    if (!downstream) {
      addEach(teardownsOf(graph, start));
    }
  }
  return found;
}

/** Setups that a task is in the scope of, with their teardowns (Airflow: `get_upstreams_only_setups_and_teardowns`). */
function* setupsOf(graph: Graph, index: number): Generator<number> {
  const task = graph.tasks[index];
  if (task === undefined || task.spec.is_setup || task.spec.is_teardown) {
    return;
  }
  const below = reachable(graph.tasks, index, "downstream");
  for (const setup of reachable(graph.tasks, index, "upstream")) {
    if (graph.tasks[setup]?.spec.is_setup === true) {
      const teardowns = teardownsOf(graph, setup);
      if (teardowns.length === 0 || teardowns.some((teardown) => below.has(teardown))) {
        yield setup;
        yield* teardowns;
      }
    }
  }
}

/** Teardowns right below a setup; none of any other task. */
function teardownsOf({ tasks }: Graph, index: number): number[] {
  const task = tasks[index];
  return task?.spec.is_setup === true ? task.downstream.filter((next) => tasks[next]?.spec.is_teardown === true) : [];
}

function isInSameMappedGroup(graph: Graph, task: GraphTask, relative: number): boolean {
  return task.mappedGroup >= 0 && graph.tasks[relative]?.mappedGroup === task.mappedGroup;
}

function addAll(selection: Selection, indexes: Iterable<number>): void {
  for (const index of indexes) {
    add(selection, index, "all");
  }
}

function add(selection: Selection, index: number, indexes: Indexes): void {
  const present = selection.get(index);
  if (present === undefined || indexes === "all") {
    selection.set(index, indexes);
  } else if (present !== "all") {
    selection.set(index, new Set([...present, ...indexes]));
  }
}
