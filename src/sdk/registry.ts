/**
 * Everything the code of a Worker registers: its DAGs, and the tasks that can be run.
 *
 * @module
 */
import type { TaskSpec } from "../engine/spec.ts";
import { validateDagSpec } from "../engine/validate-spec.ts";
import { DagDefinitionError } from "./dag.ts";
import type { DagDefinition } from "./dag.ts";
import { limitProblems, scopeProblems } from "./limits.ts";
import { handlerName, isBuiltIn, taskFields } from "./task-fields.ts";
import type { AnyTaskDefinition } from "./task.ts";

/** DAGs by their id, and tasks by the name of their handler: those of the DAGs and those that stand by themselves. */
export interface Registry {
  dags: ReadonlyMap<string, DagDefinition>;
  tasks: ReadonlyMap<string, AnyTaskDefinition>;
}

/**
 * Gathers what a Worker runs. A task may be used by several DAGs; two different tasks may not share an id, because
 * handlers are found by it.
 *
 * @throws Error that lists every problem.
 */
export function createRegistry(parts: { dags: DagDefinition[]; tasks?: AnyTaskDefinition[] }): Registry {
  const problems: string[] = [];
  const dags = new Map<string, DagDefinition>();
  const tasks = new Map<string, AnyTaskDefinition>();
  const owners = new Map<string, string>();
  const add = (task: AnyTaskDefinition, owner: string): void => {
    const known = tasks.get(task.id);
    if (known !== undefined && known !== task) {
      const other = owners.get(task.id) ?? "";
      problems.push(`task "${task.id}": expected one task under this id, got two, of ${other} and of ${owner}`);
      return;
    }
    problems.push(...limitProblems(task).map(({ where, message }) => `task "${task.id}", ${where}: ${message}`));
    tasks.set(task.id, task);
    owners.set(task.id, owners.get(task.id) ?? owner);
  };
  for (const definition of parts.dags) {
    const id = definition.spec.dag_id;
    if (dags.has(id)) {
      problems.push(`DAG "${id}": expected DAG ids to be unique, got it again`);
      continue;
    }
    dags.set(id, definition);
    definition.tasks.forEach((task) => add(task, `DAG "${id}"`));
  }
  for (const task of parts.tasks ?? []) {
    problems.push(...standaloneProblems(task));
    add(task, "the tasks by themselves");
  }
  problems.push(...scopeProblems(tasks.values()));
  if (problems.length > 0) {
    throw new Error(["expected a registry without conflicts, got:", ...problems.map((one) => `  ${one}`)].join("\n"));
  }
  return { dags, tasks };
}

function standaloneProblems(task: AnyTaskDefinition): string[] {
  if (isBuiltIn(task)) {
    return [`task "${task.id}": expected a task with a handler, got the operator ${task.operator}`];
  }
  try {
    taskSpecOf(task);
    return [];
  } catch (error) {
    return error instanceof DagDefinitionError
      ? error.problems.map(({ where, message }) => `task "${task.id}", ${where}: ${message}`)
      : [`task "${task.id}": ${String(error)}`];
  }
}

/**
 * The spec of a task that is run by itself, with every default filled in: retries, delays, timeout, heartrate.
 *
 * @throws DagDefinitionError if an option is not usable.
 */
export function taskSpecOf(definition: AnyTaskDefinition): TaskSpec {
  const problems: { where: string; message: string }[] = [];
  const fields = taskFields(definition.options, (where, message) => problems.push({ where, message }));
  const task = { ...fields, task_id: definition.id, handler: handlerName(definition), operator: definition.operator };
  const validation = validateDagSpec({ dag_id: "task", tasks: [task] });
  const [spec] = validation.ok ? validation.spec.tasks : [];
  if (!validation.ok) {
    problems.push(...validation.errors.map(({ path, message }) => ({ where: path.slice(2).join("."), message })));
  }
  if (spec === undefined || problems.length > 0) {
    throw new DagDefinitionError(definition.id, problems);
  }
  return spec;
}
