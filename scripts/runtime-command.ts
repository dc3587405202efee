/**
 * The command that starts the runtime (workerd).
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_ROOT } from "./project.ts";

const workerdSchema = z.object({ default: z.string() });

/** Path of the workerd binary that Miniflare brings. */
export function runtimePath(): string {
  const fromMiniflare = createRequire(createRequire(import.meta.url).resolve("miniflare"));
  return workerdSchema.parse(fromMiniflare("workerd")).default;
}

/**
 * Has Miniflare start the runtime so that it dies with this process, however that ends: Linux's parent-death signal,
 * by `setpriv`. Where there is none, a runtime can outlive a killed server until the next start on its state folder.
 * A `MINIFLARE_WORKERD_PATH` that is set stays as it is. Gives the path of the command.
 */
export function tieRuntimeToThisProcess(): string {
  const given = process.env["MINIFLARE_WORKERD_PATH"];
  if (given !== undefined) {
    return given;
  }
  const runtime = runtimePath();
  if (process.platform !== "linux" || spawnSync("setpriv", ["--pdeathsig", "KILL", "true"]).status !== 0) {
    return runtime;
  }
  const command = join(PROJECT_ROOT, "scripts", "runtime.sh");
  process.env["JOBBERS_RUNTIME"] = runtime;
  process.env["MINIFLARE_WORKERD_PATH"] = command;
  return command;
}
