/**
 * Sees the runtime's process start and end. Miniflare starts it, and starts it again after a crash, without showing it.
 *
 * @module
 */
import { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";

/** What becomes of the runtime's process. */
export interface RuntimeEvents {
  /** It has started, but does not serve yet. */
  started(runtime: ChildProcess, pid: number): void;
  /** It has ended, and all that it wrote was read: `how` is its signal or its exit code. */
  ended(pid: number, how: string): void;
}

/** Processes that this process starts are published here by Node, before they have an id. */
const CHANNEL = "child_process";

/** Watches the processes that this process starts with `command`. Gives the function that ends the watch. */
export function watchRuntime(command: string, events: RuntimeEvents): () => void {
  function see(message: unknown): void {
    const child = processOf(message);
    child?.once("spawn", () => {
      const { pid } = child;
      if (child.spawnfile === command && pid !== undefined) {
        events.started(child, pid);
        child.once("close", (code, signal) => events.ended(pid, signal ?? `exit code ${String(code)}`));
      }
    });
  }
  subscribe(CHANNEL, see);
  return () => unsubscribe(CHANNEL, see);
}

function processOf(message: unknown): ChildProcess | null {
  const child: unknown = typeof message === "object" && message !== null ? Reflect.get(message, "process") : null;
  return child instanceof ChildProcess ? child : null;
}
