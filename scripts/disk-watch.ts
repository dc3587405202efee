/**
 * Looks whether the disk of the state is full, so that the Worker can say so before its objects fail.
 *
 * @module
 */
import { describeFullDisk } from "./state-trouble.ts";

const LOOK_MS = 2000;

/** A watch over one disk. */
export interface DiskWatch {
  /** Looks now: the runtime could not write. */
  look(): void;
  /** Says again how it is: to a runtime that has just started. */
  repeat(): void;
  stop(): void;
}

/** Calls `say` whenever the disk becomes full, with a sentence about it, and with null when it has room again. */
export function watchDisk(folder: string, say: (full: string | null) => void): DiskWatch {
  let full: string | null = null;
  function look(): void {
    const now = askDisk(folder);
    if ((now === null) !== (full === null)) {
      say(now);
    }
    full = now;
  }
  const timer = setInterval(look, LOOK_MS);
  return {
    look,
    repeat() {
      if (full !== null) {
        say(full);
      }
    },
    stop: () => clearInterval(timer),
  };
}

/** A folder that is gone is no full disk: what is wrong then the objects say. */
function askDisk(folder: string): string | null {
  try {
    return describeFullDisk(folder);
  } catch {
    return null;
  }
}
