/**
 * What a spec that comes over HTTP may have of everything, looked at before anything looks at each of them: a megabyte of
 * hostile JSON must not cost seconds. Nobody's DAG comes near.
 *
 * @module
 */
import { LIMITS } from "../engine/spec.ts";
import { ApiError } from "./errors.ts";

/** Params of one DAG: each has a schema, which every run checks. */
export const MAX_PARAMS = 1000;
/** Sources inside the sources of one expansion. */
export const MAX_SOURCES = 1000;
/** Groups around a group. */
export const MAX_GROUP_LEVELS = 100;
const MAX_TAGS = 100;

type Path = (string | number)[];

/** @throws ApiError 422 that names the place of which there is too much. */
export function refuseTooMany(raw: Record<string, unknown>): void {
  const { tasks, task_groups: groups } = raw;
  refuse(["tags"], countOf(raw["tags"]), MAX_TAGS, "elements");
  refuse(["params"], countOf(raw["params"]), MAX_PARAMS, "params");
  refuse(["tasks"], countOf(tasks), LIMITS.tasksPerDag, "elements");
  refuse(["task_groups"], countOf(groups), LIMITS.tasksPerDag, "elements");
  for (const [index, task] of listOf(tasks).entries()) {
    refuse(["tasks", index, "upstream_task_ids"], countOf(field(task, "upstream_task_ids")), LIMITS.tasksPerDag, "ids");
    refuse(["tasks", index, "expand"], sourcesIn(field(task, "expand")), MAX_SOURCES, "sources");
  }
  for (const [index, group] of listOf(groups).entries()) {
    refuse(["task_groups", index, "expand"], sourcesIn(field(group, "expand")), MAX_SOURCES, "sources");
  }
  refuseDeepGroups(listOf(groups));
}

function refuse(path: Path, count: number, limit: number, unit: string): void {
  if (count > limit) {
    const msg = `expected at most ${limit} ${unit}, got ${count === Infinity ? "more" : count}`;
    throw new ApiError(422, [{ loc: ["body", ...path], msg, type: "too_long" }]);
  }
}

/** Members of a list or an object; none of anything else. */
function countOf(value: unknown): number {
  return typeof value === "object" && value !== null ? Object.keys(value).length : 0;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

/** How many sources an expansion has, those inside of others too; `Infinity` if they are too many. */
function sourcesIn(expand: unknown): number {
  const waiting = [field(expand, "source"), ...membersOf(field(expand, "kwargs"))];
  let count = 0;
  for (let source = waiting.pop(); source !== undefined; source = waiting.pop()) {
    count += 1;
    for (const inner of [...listOf(field(source, "zip")), ...listOf(field(source, "concat"))]) {
      waiting.push(inner);
    }
    if (count + waiting.length > MAX_SOURCES) {
      return Infinity;
    }
  }
  return count;
}

function membersOf(value: unknown): unknown[] {
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

/** Ends also for groups that contain themselves, which are left to the checks of what a spec means. */
function refuseDeepGroups(groups: readonly unknown[]): void {
  const parents = new Map(groups.map((group) => [field(group, "group_id"), field(group, "parent_group_id")]));
  for (const [index, group] of groups.entries()) {
    const around = new Set<unknown>();
    let next = field(group, "parent_group_id");
    while (next !== undefined && !around.has(next) && around.size <= MAX_GROUP_LEVELS) {
      around.add(next);
      next = parents.get(next);
    }
    refuse(["task_groups", index, "parent_group_id"], around.size, MAX_GROUP_LEVELS, "levels of groups");
  }
}
