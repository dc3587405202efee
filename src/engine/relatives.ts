/**
 * Which task instances a user means who names some and says "and what is upstream" or "downstream": Airflow's
 * `partial_subset` for clears and `find_task_relatives` for marks. Pure over the graph; states are looked at by the caller.
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
 * For a clear: those named, what lies up- or downstream, and the setups and teardowns that belong to what was walked
 * over. Of a task in the same mapped group as a named element, only that element. With neither direction, just those named.
 */
export function selectForClear(
  graph: Graph,
  names: readonly TaskName[],
  { upstream, downstream }: Directions,
): Selection {
  const named = selectNamed(graph, names);
  if (!upstream && !downstream) {
    return named;
  }
  const selection: Selection = new Map(named);
  for (const [index, indexes] of named) {
    const task = graph.tasks[index];
    if (task === undefined) {
      continue;
    }
    for (const relative of relativesOf(graph, task, upstream, downstream)) {
      if (!named.has(relative)) {
        add(selection, relative, sameElements(graph, task, relative, indexes));
      }
    }
  }
  return selection;
}

/** For a mark: those named, and all that lies up- or downstream of them. */
export function selectForMark(graph: Graph, name: TaskName, { upstream, downstream }: Directions): Selection {
  const named = selectNamed(graph, [name]);
  const selection: Selection = new Map(named);
  for (const index of named.keys()) {
    const relatives = [
      ...(upstream ? reachable(graph.tasks, index, "upstream") : []),
      ...(downstream ? reachable(graph.tasks, index, "downstream") : []),
    ];
    for (const relative of relatives) {
      add(selection, relative, "all");
    }
  }
  return selection;
}

/** Says whether an instance is chosen. */
export function isSelected(selection: Selection, taskIndex: number, mapIndex: number): boolean {
  const indexes = selection.get(taskIndex);
  return indexes !== undefined && (indexes === "all" || indexes.has(mapIndex));
}

function relativesOf(graph: Graph, task: GraphTask, upstream: boolean, downstream: boolean): Set<number> {
  const found = new Set<number>();
  const addAll = (indexes: Iterable<number>): void => {
    for (const index of indexes) {
      found.add(index);
    }
  };
  if (downstream) {
    for (const index of reachable(graph.tasks, task.index, "downstream")) {
      found.add(index);
      addAll(setupsOf(graph, graph.tasks[index]));
    }
  }
  if (upstream) {
    for (const index of reachable(graph.tasks, task.index, "upstream")) {
      found.add(index);
      addAll(graph.tasks[index]?.spec.is_setup === true ? teardownsOf(graph, index) : []);
    }
  } else {
    addAll(setupsOf(graph, task));
  }
  if (task.spec.is_setup && !downstream) {
    addAll(teardownsOf(graph, task.index));
  }
  return found;
}

/** Setups that a task is in the scope of, with their teardowns (Airflow: `get_upstreams_only_setups_and_teardowns`). */
function* setupsOf(graph: Graph, task: GraphTask | undefined): Generator<number> {
  if (task === undefined || task.spec.is_setup || task.spec.is_teardown) {
    return;
  }
  const below = reachable(graph.tasks, task.index, "downstream");
  for (const index of reachable(graph.tasks, task.index, "upstream")) {
    const teardowns = graph.tasks[index]?.spec.is_setup === true ? teardownsOf(graph, index) : null;
    if (teardowns !== null && (teardowns.length === 0 || teardowns.some((teardown) => below.has(teardown)))) {
      yield index;
      yield* teardowns;
    }
  }
}

function teardownsOf(graph: Graph, setup: number): number[] {
  return (graph.tasks[setup]?.downstream ?? []).filter((index) => graph.tasks[index]?.spec.is_teardown === true);
}

function sameElements(graph: Graph, task: GraphTask, relative: number, indexes: Indexes): Indexes {
  const isInGroup = task.mappedGroup >= 0 && graph.tasks[relative]?.mappedGroup === task.mappedGroup;
  return isInGroup ? indexes : "all";
}

function add(selection: Selection, index: number, indexes: Indexes): void {
  const present = selection.get(index);
  if (present === undefined || indexes === "all") {
    selection.set(index, indexes);
  } else if (present !== "all") {
    selection.set(index, new Set([...present, ...indexes]));
  }
}
