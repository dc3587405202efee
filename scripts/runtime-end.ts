/**
 * How the runtime's process ends: in order, or by itself.
 *
 * @module
 */
import type { ChildProcess } from "node:child_process";

/** How long the runtime may take to answer the requests it has once it was asked to end. */
const GENTLE_MS = 3000;
/** What V8 writes when the heap is exhausted, before it ends the process. */
const OUT_OF_MEMORY = /heap out of memory|Reached heap limit/;

/** Says whether the runtime's process is there. */
export function isRunning(runtime: ChildProcess | null): runtime is ChildProcess {
  return runtime !== null && runtime.exitCode === null && runtime.signalCode === null;
}

/**
 * Ends the runtime by the signal on which it takes no more connections and answers the requests it has. Calls `ended` in the
 * moment of its end, in which Miniflare is still to learn that this is no crash. Returns after some seconds if it does not end.
 */
export async function endGently(runtime: ChildProcess, ended: () => Promise<void>): Promise<void> {
  if (!isRunning(runtime)) {
    return;
  }
  const over = Promise.withResolvers<void>();
  runtime.once("exit", () => {
    ended().then(over.resolve, over.reject);
  });
  runtime.kill("SIGTERM");
  await Promise.race([over.promise, after(GENTLE_MS)]);
}

/** Resolves after a time that does not keep the process alive. */
export async function after(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}

/** Says whether a line of the runtime is about an exhausted heap. */
export function isAboutMemory(line: string): boolean {
  return OUT_OF_MEMORY.test(line);
}

/** Why the runtime ended, as far as that can be known: it follows "ended". */
export function reasonOf(how: string, isOutOfMemory: boolean): string {
  if (isOutOfMemory) {
    return " because it was out of memory: what ran in it counts as dead, and a task that exhausts the heap would do so again";
  }
  return how === "SIGKILL" ? " by SIGKILL, as the system does when it is out of memory" : ` by ${how}`;
}
