/**
 * A DAG spec compiled into arrays: who waits for whom, which edges are per element of a mapped group, which setups a task
 * obeys, which leaves decide a run. Built once per spec version and shared by all its runs; never changes.
 *
 * @module
 */
import { feedingTasks } from "./expansion.ts";
import type { DagSpec, ExpandSpec, TaskSpec } from "./spec.ts";

/**
 * What an edge is for. `direct`: judged by the trigger rule. `setup`: from an indirect setup, which must have succeeded.
 * `scope`: from a task between a setup and its teardown to the teardown, which waits until it is over.
 */
export type EdgeKind = "direct" | "setup" | "scope";

/** An edge as seen from its upstream end. */
export interface OutEdge {
  to: number;
  kind: EdgeKind;
  /** Both ends stand in one mapped group, so that element i waits for element i only. */
  element: boolean;
}

/** An edge as seen from its downstream end. */
export interface InEdge {
  from: number;
  kind: EdgeKind;
  element: boolean;
}

/** One task of a compiled graph. */
export interface GraphTask {
  index: number;
  id: string;
  spec: TaskSpec;
  upstream: number[];
  downstream: number[];
  out: OutEdge[];
  in: InEdge[];
  /** The task's own expansion or its group's; null for a task that is not mapped. */
  expand: ExpandSpec | null;
  /** Tasks whose values the expansion is made of. */
  feeders: number[];
  /** Tasks whose expansion this task's value feeds. */
  feeds: number[];
  /** Direct upstream tasks that can skip what follows them. */
  skipParents: number[];
  /** Index of the innermost mapped group, or -1. */
  mappedGroup: number;
  /** The task decides the outcome of a run. */
  leaf: boolean;
}

/** A compiled DAG. */
export interface Graph {
  spec: DagSpec;
  tasks: GraphTask[];
  byId: ReadonlyMap<string, GraphTask>;
  /** Some task looks at the run before; see `past.ts`. */
  dependsOnPast: boolean;
}

/** Operators whose answer skips tasks that follow directly. */
const SKIPPING_OPERATORS: ReadonlySet<string> = new Set(["branch", "short_circuit", "latest_only"]);

/**
 * Compiles a valid spec. Does not validate: give it what `validateDagSpec` returned.
 *
 * @throws Error if the spec names an unknown task or group.
 */
export function compileGraph(spec: DagSpec): Graph {
  const byId = new Map<string, GraphTask>();
  const groupIndex = new Map(spec.task_groups.map((group, index) => [group.group_id, index]));
  const tasks = spec.tasks.map((task, index): GraphTask => {
    const mappedGroup = innermostMappedGroup(spec, groupIndex, task.task_group_id);
    const expand = task.expand ?? spec.task_groups[mappedGroup]?.expand ?? null;
    const node: GraphTask = {
      index,
      id: task.task_id,
      spec: task,
      upstream: [],
      downstream: [],
      out: [],
      in: [],
      expand,
      feeders: [],
      feeds: [],
      skipParents: [],
      mappedGroup,
      leaf: false,
    };
    byId.set(task.task_id, node);
    return node;
  });
  for (const node of tasks) {
    for (const id of new Set(node.spec.upstream_task_ids)) {
      const upstream = lookUp(byId, id);
      node.upstream.push(upstream.index);
      upstream.downstream.push(node.index);
      addEdge(upstream, node, "direct");
      if (SKIPPING_OPERATORS.has(upstream.spec.operator)) {
        node.skipParents.push(upstream.index);
      }
    }
    for (const id of node.expand === null ? [] : feedingTasks(node.expand)) {
      const feeder = lookUp(byId, id);
      node.feeders.push(feeder.index);
      feeder.feeds.push(node.index);
    }
  }
  addIndirectSetups(tasks);
  addTeardownScopes(tasks);
  markLeaves(tasks);
  return { spec, tasks, byId, dependsOnPast: spec.tasks.some((task) => task.depends_on_past) };
}

/** All tasks that can be reached from `start` along direct edges, `start` itself left out. */
export function reachable(
  tasks: readonly GraphTask[],
  start: number,
  direction: "upstream" | "downstream",
): Set<number> {
  const seen = new Set<number>();
  const stack = [start];
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    for (const next of tasks[index]?.[direction] ?? []) {
      if (!seen.has(next)) {
        seen.add(next);
        stack.push(next);
      }
    }
  }
  return seen;
}

/** Ids of the tasks of a group, its sub-groups included. */
export function tasksOfGroup(spec: DagSpec, groupId: string): string[] {
  const parents = new Map(spec.task_groups.map((group) => [group.group_id, group.parent_group_id]));
  const inside = (id: string | undefined): boolean => id !== undefined && (id === groupId || inside(parents.get(id)));
  return spec.tasks.filter((task) => inside(task.task_group_id)).map((task) => task.task_id);
}

function lookUp(byId: Map<string, GraphTask>, id: string): GraphTask {
  const node = byId.get(id);
  if (node === undefined) {
    throw new Error(`expected the id of a task of this DAG, got ${JSON.stringify(id)}`);
  }
  return node;
}

function innermostMappedGroup(spec: DagSpec, groupIndex: Map<string, number>, id: string | undefined): number {
  for (let groupId = id; groupId !== undefined;) {
    const index = groupIndex.get(groupId);
    const group = index === undefined ? undefined : spec.task_groups[index];
    if (index === undefined || group === undefined) {
      throw new Error(`expected the id of a task group of this DAG, got ${JSON.stringify(groupId)}`);
    }
    if (group.expand !== undefined) {
      return index;
    }
    groupId = group.parent_group_id;
  }
  return -1;
}

function addEdge(from: GraphTask, to: GraphTask, kind: EdgeKind): void {
  const element = to.mappedGroup >= 0 && from.mappedGroup === to.mappedGroup;
  from.out.push({ to: to.index, kind, element });
  to.in.push({ from: from.index, kind, element });
}

/**
 * A task that is no teardown also obeys the setups above it that have no teardown, or whose teardown lies below it
 * (Airflow: `get_upstreams_only_setups`). Direct ones are already judged by its trigger rule.
 */
function addIndirectSetups(tasks: GraphTask[]): void {
  for (const setup of tasks) {
    if (!setup.spec.is_setup) {
      continue;
    }
    const teardowns = setup.downstream.filter((index) => tasks[index]?.spec.is_teardown === true);
    const inScope = new Set<number>();
    for (const teardown of teardowns) {
      for (const index of reachable(tasks, teardown, "upstream")) {
        inScope.add(index);
      }
    }
    for (const index of reachable(tasks, setup.index, "downstream")) {
      const task = tasks[index];
      const relevant = teardowns.length === 0 || inScope.has(index);
      const obeys = task !== undefined && !task.spec.is_teardown && task.spec.trigger_rule !== "always";
      if (obeys && relevant && !task.upstream.includes(setup.index)) {
        addEdge(setup, task, "setup");
      }
    }
  }
}

/**
 * A teardown also waits for what lies between the setups right above it and itself, so that it clears nothing away that
 * is still in use. What is directly upstream is already judged by its trigger rule.
 */
function addTeardownScopes(tasks: GraphTask[]): void {
  for (const teardown of tasks) {
    const waits = teardown.spec.is_teardown && teardown.spec.trigger_rule !== "always";
    const setups = waits ? teardown.upstream.filter((index) => tasks[index]?.spec.is_setup === true) : [];
    if (setups.length === 0) {
      continue;
    }
    const above = reachable(tasks, teardown.index, "upstream");
    const between = new Set(
      setups.flatMap((setup) => [...reachable(tasks, setup, "downstream")].filter((index) => above.has(index))),
    );
    for (const index of between) {
      const task = tasks[index];
      if (task !== undefined && !teardown.upstream.includes(index)) {
        addEdge(task, teardown, "scope");
      }
    }
  }
}

/** Marks effective leaves: what is followed by nothing but teardowns that may fail without failing the run. */
function markLeaves(tasks: GraphTask[]): void {
  const ignorable = (task: GraphTask | undefined): boolean =>
    task !== undefined && task.spec.is_teardown && !task.spec.on_failure_fail_dagrun;
  const effective = tasks.filter(
    (task) => !ignorable(task) && task.downstream.every((index) => ignorable(tasks[index])),
  );
  const leaves = effective.length > 0 ? effective : tasks.filter((task) => task.downstream.length === 0);
  for (const task of leaves) {
    task.leaf = true;
  }
}
