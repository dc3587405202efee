/**
 * What changed between two versions of a DAG: fields, params, tasks, groups, edges. Nothing did exactly if the two have the same
 * hash.
 *
 * @module
 */
import { canonicalJson } from "./canonical-json.ts";
import { canonicalParts } from "./canonical-hash.ts";
import type { DagSpec } from "./spec.ts";

/** A field that has another value. `before` or `after` is left out where the field was not given. */
export interface FieldChange {
  field: string;
  before?: unknown;
  after?: unknown;
}

/** What changed in a list of named parts. */
export interface PartsDiff {
  /** Names, in the order of the newer version. */
  added: string[];
  /** Names, in the order of the older version. */
  removed: string[];
  changed: { id: string; fields: FieldChange[] }[];
  /** Those that both versions have stand in another order. */
  reordered: boolean;
}

/** One task waits for another. */
export interface Edge {
  upstream_task_id: string;
  downstream_task_id: string;
}

/** What changed between two versions. */
export interface SpecDiff {
  /** Nothing changed. */
  is_same: boolean;
  /** Fields of the DAG, those of its parts left out. */
  fields: FieldChange[];
  params: PartsDiff;
  tasks: PartsDiff;
  task_groups: PartsDiff;
  /** Also told by `upstream_task_ids` of the tasks that changed. */
  edges: { added: Edge[]; removed: Edge[] };
}

/** Named parts of a version: as they are, and as they count for the hash. */
interface Part {
  shown: Record<string, unknown>;
  counted: Record<string, unknown>;
}

/** Compares two specs, each with its defaults filled in. */
export function diffSpecs(before: DagSpec, after: DagSpec): SpecDiff {
  const [older, newer] = [partsOf(before), partsOf(after)];
  const fields = changedFields(older.dag, newer.dag);
  const params = diffParts(older.params, newer.params, false);
  const tasks = diffParts(older.tasks, newer.tasks, true);
  const groups = diffParts(older.groups, newer.groups, true);
  return {
    is_same: fields.length === 0 && [params, tasks, groups].every(isSame),
    fields,
    params,
    tasks,
    task_groups: groups,
    edges: diffEdges(before, after),
  };
}

function isSame({ added, removed, changed, reordered }: PartsDiff): boolean {
  return added.length + removed.length + changed.length === 0 && !reordered;
}

function partsOf(spec: DagSpec): {
  dag: Part;
  params: Map<string, Part>;
  tasks: Map<string, Part>;
  groups: Map<string, Part>;
} {
  const counted = canonicalParts(spec);
  const { params, tasks, task_groups, ...dag } = spec;
  const {
    params: countedParams = {},
    tasks: countedTasks = [],
    task_groups: countedGroups = [],
    ...countedDag
  } = counted;
  return {
    dag: { shown: dag, counted: countedDag },
    params: new Map(
      Object.entries(params).map(([name, shown]) => [name, { shown, counted: countedParams[name] ?? {} }]),
    ),
    tasks: new Map(tasks.map((shown, index) => [shown.task_id, { shown, counted: countedTasks[index] ?? {} }])),
    groups: new Map(
      task_groups.map((shown, index) => [shown.group_id, { shown, counted: countedGroups[index] ?? {} }]),
    ),
  };
}

function diffParts(before: ReadonlyMap<string, Part>, after: ReadonlyMap<string, Part>, isOrdered: boolean): PartsDiff {
  const stayed = [...after.keys()].filter((id) => before.has(id));
  return {
    added: [...after.keys()].filter((id) => !before.has(id)),
    removed: [...before.keys()].filter((id) => !after.has(id)),
    changed: stayed
      .map((id) => ({ id, fields: changedFields(before.get(id), after.get(id)) }))
      .filter(({ fields }) => fields.length > 0),
    reordered: isOrdered && [...before.keys()].filter((id) => after.has(id)).some((id, index) => id !== stayed[index]),
  };
}

function changedFields(before: Part | undefined, after: Part | undefined): FieldChange[] {
  if (before === undefined || after === undefined) {
    return [];
  }
  const names = new Set([...Object.keys(before.shown), ...Object.keys(after.shown)]);
  return [...names]
    .filter((name) => textOf(before.counted[name]) !== textOf(after.counted[name]))
    .toSorted()
    .map((field) => ({
      field,
      ...(before.shown[field] === undefined ? {} : { before: before.shown[field] }),
      ...(after.shown[field] === undefined ? {} : { after: after.shown[field] }),
    }));
}

function textOf(value: unknown): string {
  return value === undefined ? "" : canonicalJson(value);
}

function diffEdges(before: DagSpec, after: DagSpec): SpecDiff["edges"] {
  const [older, newer] = [edgesOf(before), edgesOf(after)];
  return {
    added: [...newer].filter(([name]) => !older.has(name)).map(([, edge]) => edge),
    removed: [...older].filter(([name]) => !newer.has(name)).map(([, edge]) => edge),
  };
}

function edgesOf({ tasks }: DagSpec): Map<string, Edge> {
  return new Map(
    tasks.flatMap(({ task_id, upstream_task_ids }) =>
      upstream_task_ids.map((upstream): [string, Edge] => [
        JSON.stringify([upstream, task_id]),
        { upstream_task_id: upstream, downstream_task_id: task_id },
      ]),
    ),
  );
}
