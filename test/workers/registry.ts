/**
 * The registry of the test Worker. Tests add DAGs and tasks of their own while it runs: test and Worker share one isolate,
 * so a handler can be a closure of the test that made it.
 *
 * @module
 */
import { dag, task } from "../../src/sdk/index.ts";
import type {
  AnyTaskDefinition,
  DagDefinition,
  DagOptions,
  Json,
  NamedTaskOptions,
  NoParams,
  Registry,
  Scope,
  TaskDefinition,
  TaskNode,
} from "../../src/sdk/index.ts";

const dags = new Map<string, DagDefinition>();
const tasks = new Map<string, AnyTaskDefinition>();

export const registry: Registry = { dags, tasks };

/** Tasks that are there from the start, as those of a deployed Worker: each answers its payload. */
export const ECHO = addTask(task({ id: "echo" }, (_ctx, payload: Json) => payload)).id;
export const PATIENT_ECHO = addTask(task({ id: "patient_echo", retries: 3 }, (_ctx, payload: Json) => payload)).id;

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

/** Forgets a task, as a version of the code does that no longer has it. */
export function dropTask(id: string): void {
  tasks.delete(id);
}

/** Registers a DAG under a fresh id, which it returns. */
export function addDag(options: Omit<DagOptions<NoParams>, "id">, build: (d: Scope<NoParams>) => void): string {
  const id = fresh("dag");
  deploy(id, options, build);
  return id;
}

/** Registers a DAG under an id, as a new version of the code does. */
export function deploy(
  id: string,
  options: Omit<DagOptions<NoParams>, "id">,
  build: (d: Scope<NoParams>) => void,
): void {
  const definition = dag({ id, ...options }, build);
  dags.set(id, definition);
  definition.tasks.forEach(addTask);
}

/** A task for tests that answer in a worker's place: its handler never runs. */
export function step(id: string, options: Omit<NamedTaskOptions, "id"> = {}): TaskDefinition<unknown, null> {
  return task({ id, ...options }, () => null);
}

/** A task that counts how often it ran, and returns that. */
export function counting(options: Omit<NamedTaskOptions, "id"> = {}): {
  definition: TaskDefinition<unknown, number>;
  ran: () => number;
} {
  let runs = 0;
  const definition = addTask(task({ id: fresh("counting"), ...options }, () => (runs += 1)));
  return { definition, ran: () => runs };
}

/** Steps of a DAG, one after the other. */
export function inOrder(d: Scope<NoParams>, ...ids: string[]): TaskNode<null>[] {
  const nodes = ids.map((id) => d.run(step(id)));
  nodes.slice(1).forEach((node, index) => d.after(nodes[index] ?? [], node));
  return nodes;
}

/** A setup, two tasks and a teardown that closes the setup. */
export function withTeardown(): string {
  return addDag({}, (d) => {
    const [setup = [], work = [], rest = []] = inOrder(d, "setup", "work", "rest");
    const teardown = d.run(step("teardown")).asTeardown({ setups: [setup].flat() });
    d.after([work, rest], teardown);
  });
}
