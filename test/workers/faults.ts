/**
 * Calls of a DAG's object that a test waits for, or that fail once, as a call does whose object is reset under it.
 *
 * @module
 */
import type { DagObject, JobObject } from "../../src/engine/objects.ts";

/** A method of a DAG's object; or `adopt` or `run`, of the object of a job that is made for one of its task instances. */
type Method = keyof DagObject | Extract<keyof JobObject, "adopt" | "run">;

const watched = new Map<string, { called: () => void; fails: boolean }>();

/** Resolves when a method of a DAG is called next, before it does anything. */
export function nextCall(dagId: string, method: Method): Promise<void> {
  return watch(dagId, method, false);
}

/** Makes the next call of a DAG's method fail before it does anything. Resolves when that has happened. */
export function breakOnce(dagId: string, method: Method): Promise<void> {
  return watch(dagId, method, true);
}

/** Says that a method is called. Throws if this call was to fail. */
export function onCall(dagId: string | undefined, method: Method): void {
  const name = `${dagId}.${method}`;
  const watcher = watched.get(name);
  if (watcher !== undefined) {
    watched.delete(name);
    watcher.called();
    if (watcher.fails) {
      throw new Error(`broken on purpose: ${name}`);
    }
  }
}

function watch(dagId: string, method: Method, fails: boolean): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  watched.set(`${dagId}.${method}`, { called: resolve, fails });
  return promise;
}
