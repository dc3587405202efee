/**
 * The registry of the test Worker. Tests add DAGs and tasks of their own while it runs: test and Worker share one isolate,
 * so a handler can be a closure of the test that made it.
 *
 * @module
 */
import { dag, type AnyTaskDefinition, type DagDefinition, type DagOptions, type Registry, type Scope } from "../../src/sdk/index.ts";
import type { NoParams } from "../../src/sdk/index.ts";

const dags = new Map<string, DagDefinition>();
const tasks = new Map<string, AnyTaskDefinition>();

export const registry: Registry = { dags, tasks };

let named = 0;

/** A name that no other test uses. */
export function fresh(prefix: string): string {
  named += 1;
  return `${prefix}_${named}`;
}

/** Registers a task under its id. */
export function addTask<T extends AnyTaskDefinition>(definition: T): T {
  tasks.set(definition.id, definition);
  return definition;
}

/** Registers a DAG under a fresh id, which it returns. */
export function addDag(options: Omit<DagOptions<NoParams>, "id">, build: (d: Scope<NoParams>) => void): string {
  const id = fresh("dag");
  deploy(id, options, build);
  return id;
}

/** Registers a DAG under an id, as a new version of the code does. */
export function deploy(id: string, options: Omit<DagOptions<NoParams>, "id">, build: (d: Scope<NoParams>) => void): void {
  const definition = dag({ id, ...options }, build);
  dags.set(id, definition);
  definition.tasks.forEach(addTask);
}
