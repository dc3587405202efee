/**
 * Checks of mapped tasks and mapped groups.
 *
 * @module
 */
import { LIMITS } from "../spec.ts";
import type { ExpandSpec, TaskGroupSpec, TaskSpec } from "../spec.ts";
import { ancestors, mappedGroupOf } from "./graph.ts";
import type { SpecIndex } from "./graph.ts";
import type { SpecError } from "./issues.ts";
import { preview } from "./issues.ts";
import { expansionSources, literalLength } from "./references.ts";

type Path = (string | number)[];

/** Checks every expansion, and that `$ref: map` stands only where there is an element. */
export function checkMapping(index: SpecIndex): SpecError[] {
  return [
    ...index.spec.task_groups.flatMap((group, position) => checkMappedGroup(index, group, position)),
    ...index.spec.tasks.flatMap((task, position) => [
      ...checkMappedTask(index, task, position),
      ...checkMapRefs(index, task, position),
      ...checkAlways(index, task, position),
    ]),
    ...checkInstances(index),
  ];
}

function checkMappedGroup(index: SpecIndex, group: TaskGroupSpec, position: number): SpecError[] {
  if (group.expand === undefined) {
    return [];
  }
  const path = ["task_groups", position, "expand"];
  const around = ancestors(index, group.group_id).find((outer) => outer.expand !== undefined && outer !== group);
  return around === undefined
    ? checkExpansion(index, group.expand, path)
    : [
        {
          path,
          message: `expected no expansion inside the mapped group ${preview(around.group_id)} (mapped groups do not nest), got one for the group ${preview(group.group_id)}`,
        },
      ];
}

function checkMappedTask(index: SpecIndex, task: TaskSpec, position: number): SpecError[] {
  if (task.expand === undefined) {
    return [];
  }
  const path = ["tasks", position, "expand"];
  const around = mappedGroupOf(index, task);
  return around === undefined
    ? checkExpansion(index, task.expand, path)
    : [
        {
          path,
          message: `expected no expansion inside the mapped group ${preview(around.group_id)}, got one for the task ${preview(task.task_id)}`,
        },
      ];
}

function checkExpansion(index: SpecIndex, expand: ExpandSpec, path: Path): SpecError[] {
  const errors: SpecError[] = [];
  const limit = index.spec.max_map_length;
  for (const { source, path: at } of expansionSources(expand, path)) {
    const length = "literal" in source ? Object.keys(source.literal).length : 0;
    if (length > limit) {
      errors.push({ path: at, message: `expected at most ${limit} elements (max_map_length), got ${length}` });
    }
    if ("$ref" in source && source.$ref === "xcom" && index.tasks.get(source.task_id)?.task.operator === "empty") {
      const message = `expected a task that returns a list, got ${preview(source.task_id)}, which is an empty one`;
      errors.push({ path: [...at, "task_id"], message });
    }
  }
  const total = literalLength(expand);
  if (errors.length === 0 && total !== null && total > limit) {
    errors.push({ path, message: `expected at most ${limit} elements in all (max_map_length), got ${total}` });
  }
  if (expand.type === "expand_kwargs" && "literal" in expand.source) {
    errors.push(...checkKwargs(expand.source.literal, [...path, "source", "literal"]));
  }
  return errors;
}

function checkKwargs(literal: unknown, path: Path): SpecError[] {
  if (!Array.isArray(literal)) {
    return [{ path, message: `expected a list of objects, got ${preview(literal)}` }];
  }
  return literal.flatMap((element: unknown, place) =>
    typeof element === "object" && element !== null && !Array.isArray(element)
      ? []
      : [{ path: [...path, place], message: `expected an object, got ${preview(element)}` }],
  );
}

function checkMapRefs(index: SpecIndex, task: TaskSpec, position: number): SpecError[] {
  const expand = task.expand ?? mappedGroupOf(index, task)?.expand;
  return (index.refs[position] ?? []).flatMap(({ ref, path }) => {
    if (ref.$ref !== "map") {
      return [];
    }
    if (expand === undefined) {
      const message = `expected "map" only in a task with an expansion or in a mapped group, got it in ${preview(task.task_id)}, which has neither`;
      return [{ path, message }];
    }
    const keyword = ref.path?.[0];
    if (expand.type === "expand" && keyword !== undefined && !Object.hasOwn(expand.kwargs, keyword)) {
      const known = Object.keys(expand.kwargs).join(", ");
      return [
        {
          path: [...path, "path", 0],
          message: `expected a keyword of the expansion (${known}), got ${preview(keyword)}`,
        },
      ];
    }
    return [];
  });
}

/** `always` does not wait, so that it could not know a length that an upstream task is still to give. */
function checkAlways(index: SpecIndex, task: TaskSpec, position: number): SpecError[] {
  const expand = task.expand ?? mappedGroupOf(index, task)?.expand;
  if (task.trigger_rule !== "always" || expand === undefined) {
    return [];
  }
  const feeding = expansionSources(expand, []).flatMap(({ source }) =>
    "$ref" in source && source.$ref === "xcom" ? [source.task_id] : [],
  );
  return feeding.length === 0
    ? []
    : [
        {
          path: ["tasks", position, "trigger_rule"],
          message: `expected a rule that waits for ${feeding.join(", ")}, whose result the expansion needs, got "always"`,
        },
      ];
}

function checkInstances(index: SpecIndex): SpecError[] {
  const limit = LIMITS.taskInstancesPerRun;
  let total = 0;
  for (const task of index.spec.tasks) {
    const expand = task.expand ?? mappedGroupOf(index, task)?.expand;
    const length = expand === undefined ? 1 : literalLength(expand);
    // An expansion of unknown or no length still has its one unexpanded instance.
    total += Math.max(length ?? 1, 1);
  }
  return total > limit
    ? [
        {
          path: ["tasks"],
          message: `expected at most ${limit} task instances in a run, got ${total} by literal expansions`,
        },
      ]
    : [];
}
