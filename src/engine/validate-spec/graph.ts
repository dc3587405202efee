/**
 * The graph of a spec: who is whose group, which edges the references make, and whether it runs in a circle.
 *
 * @module
 */
import type { DagSpec, TaskGroupSpec, TaskSpec } from "../spec.ts";
import type { SpecError } from "./issues.ts";
import { preview } from "./issues.ts";
import { expansionSources, findTemplateRefs } from "./references.ts";
import type { FoundRef } from "./references.ts";

/** A spec with what the checks look up in it. */
export interface SpecIndex {
  spec: DagSpec;
  /** Of several with one id, the first. */
  tasks: Map<string, { task: TaskSpec; position: number }>;
  groups: Map<string, { group: TaskGroupSpec; position: number }>;
  /** By group id: the innermost mapped one among the group itself and those around it. */
  mappedAround: Map<string, TaskGroupSpec>;
  /** References in the input template of each task, by its position. */
  refs: FoundRef[][];
  /** Upstream ids of each task, explicit and by reference, by its position. */
  upstream: Set<string>[];
}

/** Indexes a spec and makes its edges; unknown ids are reported and make no edge. */
export function indexSpec(spec: DagSpec): { index: SpecIndex; errors: SpecError[] } {
  const errors: SpecError[] = [];
  const index: SpecIndex = {
    spec,
    tasks: new Map(),
    groups: new Map(),
    mappedAround: new Map(),
    refs: [],
    upstream: spec.tasks.map(() => new Set<string>()),
  };
  nameEverything(index, errors);
  checkGroups(index, errors);
  for (const { group } of index.groups.values()) {
    const mapped = [group, ...ancestors(index, group.group_id)].find((one) => one.expand !== undefined);
    if (mapped !== undefined) {
      index.mappedAround.set(group.group_id, mapped);
    }
  }
  spec.tasks.forEach((task, position) => addTaskEdges(index, task, position, errors));
  addGroupEdges(index, errors);
  return { index, errors };
}

function nameEverything(index: SpecIndex, errors: SpecError[]): void {
  index.spec.tasks.forEach((task, position) => {
    const first = index.tasks.get(task.task_id);
    if (first === undefined) {
      index.tasks.set(task.task_id, { task, position });
    } else {
      const message = `expected task ids to be unique, got ${preview(task.task_id)} again (first at tasks[${first.position}])`;
      errors.push({ path: ["tasks", position, "task_id"], message });
    }
  });
  index.spec.task_groups.forEach((group, position) => {
    const path = ["task_groups", position, "group_id"];
    const first = index.groups.get(group.group_id);
    if (first !== undefined) {
      const message = `expected group ids to be unique, got ${preview(group.group_id)} again (first at task_groups[${first.position}])`;
      errors.push({ path, message });
      return;
    }
    index.groups.set(group.group_id, { group, position });
    const namesake = index.tasks.get(group.group_id);
    if (namesake !== undefined) {
      const message = `expected an id that no task has, got ${preview(group.group_id)}, the id of tasks[${namesake.position}]`;
      errors.push({ path, message });
    }
  });
}

function checkGroups(index: SpecIndex, errors: SpecError[]): void {
  index.spec.tasks.forEach((task, position) => {
    if (task.task_group_id !== undefined && !index.groups.has(task.task_group_id)) {
      const message = `expected the id of a task group of this DAG, got ${preview(task.task_group_id)}`;
      errors.push({ path: ["tasks", position, "task_group_id"], message });
    }
  });
  const reported = new Set<string>();
  index.spec.task_groups.forEach((group, position) => {
    const path = ["task_groups", position, "parent_group_id"];
    if (group.parent_group_id !== undefined && !index.groups.has(group.parent_group_id)) {
      const message = `expected the id of a task group of this DAG, got ${preview(group.parent_group_id)}`;
      errors.push({ path, message });
      return;
    }
    const chain = ancestors(index, group.group_id).map((ancestor) => ancestor.group_id);
    if (chain.at(-1) === group.group_id && chain.length > 0 && !reported.has(group.group_id)) {
      chain.forEach((id) => reported.add(id));
      const message = `expected groups not to contain themselves, got ${[group.group_id, ...chain].join(" -> ")}`;
      errors.push({ path, message });
    }
  });
}

/**
 * The groups around a group, the innermost first and itself not included, unless it contains itself: then it is the last.
 */
export function ancestors(index: SpecIndex, groupId: string | undefined): TaskGroupSpec[] {
  const chain: TaskGroupSpec[] = [];
  const seen = new Set<string>();
  let next = groupId === undefined ? undefined : index.groups.get(groupId)?.group.parent_group_id;
  while (next !== undefined && !seen.has(next)) {
    const entry = index.groups.get(next);
    if (entry === undefined) {
      break;
    }
    seen.add(next);
    chain.push(entry.group);
    if (next === groupId) {
      break;
    }
    next = entry.group.parent_group_id;
  }
  return chain;
}

/** The mapped group a task is in, the innermost one; undefined if it is in none. */
export function mappedGroupOf(index: SpecIndex, task: TaskSpec): TaskGroupSpec | undefined {
  return task.task_group_id === undefined ? undefined : index.mappedAround.get(task.task_group_id);
}

function addTaskEdges(index: SpecIndex, task: TaskSpec, position: number, errors: SpecError[]): void {
  const upstream = index.upstream[position] ?? new Set();
  task.upstream_task_ids.forEach((id, place) => {
    if (index.tasks.has(id)) {
      upstream.add(id);
    } else {
      const message = `expected the id of a task of this DAG, got ${preview(id)}`;
      errors.push({ path: ["tasks", position, "upstream_task_ids", place], message });
    }
  });
  const found = findTemplateRefs(task.input ?? null, ["tasks", position, "input"]);
  errors.push(...found.errors);
  index.refs[position] = found.refs;
  for (const { ref, path } of [...found.refs, ...xcomSources(task.expand, ["tasks", position, "expand"])]) {
    if (ref.$ref !== "xcom") {
      continue;
    }
    if (!index.tasks.has(ref.task_id)) {
      const message = `expected a reference to a task of this DAG, got ${preview(ref.task_id)}`;
      errors.push({ path: [...path, "task_id"], message });
    } else if (ref.task_id === task.task_id) {
      const message = `expected a reference to another task, got ${preview(ref.task_id)}, the task itself`;
      errors.push({ path: [...path, "task_id"], message });
    } else {
      upstream.add(ref.task_id);
    }
  }
}

function xcomSources(expand: TaskSpec["expand"], path: (string | number)[]): FoundRef[] {
  return expand === undefined
    ? []
    : expansionSources(expand, path).flatMap(({ source, path: at }) =>
        "$ref" in source && source.$ref === "xcom"
          ? [{ ref: { $ref: "xcom" as const, task_id: source.task_id }, path: at }]
          : [],
      );
}

/** The tasks that feed a mapped group come before the group's roots. */
function addGroupEdges(index: SpecIndex, errors: SpecError[]): void {
  const membersOf = Map.groupBy(index.spec.tasks, (task) => mappedGroupOf(index, task));
  index.spec.task_groups.forEach((group, position) => {
    const members = new Set((membersOf.get(group) ?? []).map((task) => task.task_id));
    const feeding: string[] = [];
    for (const { ref, path } of xcomSources(group.expand, ["task_groups", position, "expand"])) {
      if (ref.$ref !== "xcom") {
        continue;
      }
      if (!index.tasks.has(ref.task_id)) {
        const message = `expected a reference to a task of this DAG, got ${preview(ref.task_id)}`;
        errors.push({ path: [...path, "task_id"], message });
      } else if (members.has(ref.task_id)) {
        const message = `expected a reference to a task outside the group, got ${preview(ref.task_id)}, which is inside`;
        errors.push({ path: [...path, "task_id"], message });
      } else {
        feeding.push(ref.task_id);
      }
    }
    if (feeding.length > 0) {
      addToRoots(index, members, feeding);
    }
  });
}

function addToRoots(index: SpecIndex, members: ReadonlySet<string>, feeding: readonly string[]): void {
  index.spec.tasks.forEach((task, position) => {
    const upstream = index.upstream[position];
    if (members.has(task.task_id) && upstream !== undefined && ![...upstream].some((id) => members.has(id))) {
      feeding.forEach((id) => upstream.add(id));
    }
  });
}
