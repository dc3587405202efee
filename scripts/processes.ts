/**
 * What the operating system says of processes: children, memory, names. Linux by /proc, elsewhere by `ps`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

const HAS_PROC = existsSync("/proc/self/stat");

/**
 * Says whether a process with this id is alive. A zombie of the operating system is not, once its last thread is gone: before
 * that it may still hold its ports and files.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (!HAS_PROC) {
    return true;
  }
  const stat = readStat(pid);
  return stat !== null && (stat.state !== "Z" || stat.threads > 1);
}

/** Command line of a process, arguments joined by blanks; null if there is no such process. */
export function commandOf(pid: number): string | null {
  if (HAS_PROC) {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    } catch {
      return null;
    }
  }
  const ps = spawnSync("ps", ["-p", String(pid), "-o", "command="], { encoding: "utf8" });
  return ps.status === 0 ? ps.stdout.trim() : null;
}

/**
 * What tells a process from any other that has or had its id: opaque, the same as long as it lives. null if there is no
 * such process.
 */
export function startOf(pid: number): string | null {
  if (HAS_PROC) {
    const stat = readStat(pid);
    // Ticks since boot; the id of the boot, because they begin again with it.
    return stat === null ? null : `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${stat.start}`;
  }
  const ps = spawnSync("ps", ["-p", String(pid), "-o", "lstart="], { encoding: "utf8" });
  return ps.status === 0 ? ps.stdout.trim() : null;
}

/** Ids of the direct children of a process. */
export function childrenOf(parent: number): number[] {
  if (HAS_PROC) {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => readStat(pid)?.parent === parent);
  }
  const ps = spawnSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" });
  return ps.stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .flatMap(([pid, ppid]) => (pid !== undefined && ppid === parent ? [pid] : []));
}

/** Resident memory of a process in bytes; null if there is no such process. */
export function residentBytes(pid: number): number | null {
  if (HAS_PROC) {
    try {
      const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      return line === null ? null : Number(line[1]) * 1024;
    } catch {
      return null;
    }
  }
  const ps = spawnSync("ps", ["-p", String(pid), "-o", "rss="], { encoding: "utf8" });
  return ps.status === 0 ? Number(ps.stdout.trim()) * 1024 : null;
}

/** Id of the runtime (workerd) below a process, at any depth; null if there is none. */
export function findRuntime(pid: number): number | null {
  for (const child of childrenOf(pid)) {
    if (isRuntime(child)) {
      return child;
    }
    const deeper = findRuntime(child);
    if (deeper !== null) {
      return deeper;
    }
  }
  return null;
}

/** Says whether a process is a workerd that serves. */
export function isRuntime(pid: number): boolean {
  return /(^|\/)workerd(\.exe)? serve /.test(commandOf(pid) ?? "");
}

/** Kills a process for good and returns when it is gone. Throws if it outlives `timeoutMs`. */
export async function killAndWait(pid: number, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  if (isAlive(pid)) {
    process.kill(pid, "SIGKILL");
  }
  while (isAlive(pid)) {
    if (Date.now() > deadline) {
      throw new Error(`expected process ${pid} to be gone ${timeoutMs} ms after SIGKILL, it is still there`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface ProcessStat {
  state: string;
  parent: number;
  threads: number;
  /** Clock ticks since boot. */
  start: string;
}

/** Where these stand among the fields behind the command. */
const THREADS_FIELD = 17;
const START_FIELD = 19;

function readStat(pid: number): ProcessStat | null {
  try {
    // The command stands in parentheses and may hold blanks, so fields are counted from the last parenthesis.
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state, parent] = fields;
    const start = fields[START_FIELD];
    return state === undefined || parent === undefined || start === undefined
      ? null
      : { state, parent: Number(parent), threads: Number(fields[THREADS_FIELD]), start };
  } catch {
    return null;
  }
}
