/**
 * A process that writes to the disk and has it write everything out, as fast as it can: what a neighbour may do.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PROGRAM = `
  const { fsyncSync, openSync, writeSync } = require("node:fs");
  const file = openSync(process.argv[1], "w");
  const block = Buffer.alloc(64 * 1024, 1);
  for (let at = 0; ; at = (at + block.length) % (64 * 1024 * 1024)) {
    writeSync(file, block, 0, block.length, at);
    fsyncSync(file);
  }`;

/** Starts it, on the disk that state folders of benchmarks and tests lie on. `stop` ends it and removes what it wrote. */
export function startBusyDisk(): { stop(): void } {
  const folder = mkdtempSync(join(tmpdir(), "jobbers-busy-disk-"));
  const child = spawn(process.execPath, ["--eval", PROGRAM, join(folder, "file")], { stdio: "ignore" });
  return {
    stop() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
