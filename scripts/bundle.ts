/**
 * The bundle that is deployed, made by wrangler's own bundler and kept until one of its inputs changes.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { PROJECT_ROOT, WRANGLER_COMMAND, WRANGLER_ENVIRONMENT } from "./project.ts";

const METAFILE = "bundle-meta.json";

const metafileSchema = z.object({
  inputs: z.record(z.string(), z.unknown()),
  outputs: z.record(z.string(), z.object({ entryPoint: z.string().optional() })),
});

/** A bundle on disk. */
export interface Bundle {
  /** Path of the module workerd starts with. */
  main: string;
  /** Whether it was made by this call. */
  built: boolean;
}

/** An entry in place of the configuration's own. */
export interface OtherEntry {
  main: string;
  /** All of them: they take the place of the configuration's. */
  compatibilityFlags: readonly string[];
}

/**
 * Makes the bundle of `configPath` in `folder` unless the one there is newer than everything it was made from.
 * Throws with wrangler's own words if the build fails.
 *
 * @param other What is bundled instead of the configuration's entry; null for that.
 */
export function ensureBundle(configPath: string, folder: string, other: OtherEntry | null = null): Bundle {
  const current = currentBundle(configPath, folder);
  if (current !== null) {
    return { main: current, built: false };
  }
  const build = spawnSync(
    process.execPath,
    [
      WRANGLER_COMMAND,
      "deploy",
      ...(other === null ? [] : [other.main, "--compatibility-flags", ...other.compatibilityFlags]),
      "--dry-run",
      "--config",
      configPath,
      "--outdir",
      folder,
      "--metafile",
    ],
    { cwd: PROJECT_ROOT, encoding: "utf8", env: { ...process.env, ...WRANGLER_ENVIRONMENT } },
  );
  if (build.status !== 0) {
    throw new Error(`the bundle of ${configPath} could not be built:\n${build.stdout}${build.stderr}`);
  }
  const main = currentBundle(configPath, folder);
  if (main === null) {
    throw new Error(`expected ${folder} to hold a bundle after the build, found none that is newer than its inputs`);
  }
  return { main, built: true };
}

/** Path of the bundle's entry if it is there and no input is newer, else null. */
function currentBundle(configPath: string, folder: string): string | null {
  const metafilePath = join(folder, METAFILE);
  if (!existsSync(metafilePath)) {
    return null;
  }
  const metafile = metafileSchema.parse(JSON.parse(readFileSync(metafilePath, "utf8")));
  const entry = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint !== undefined);
  if (entry === undefined) {
    return null;
  }
  const main = join(folder, basename(entry[0]));
  if (!existsSync(main)) {
    return null;
  }
  const builtAt = statSync(main).mtimeMs;
  const inputs = Object.keys(metafile.inputs).map((input) => resolve(dirname(configPath), input));
  const fresh = [configPath, join(PROJECT_ROOT, "package-lock.json"), ...inputs.filter(isFile)].every(
    (path) => existsSync(path) && statSync(path).mtimeMs <= builtAt,
  );
  return fresh ? main : null;
}

/** Inputs such as `cloudflare:workers` or wrangler's own facades stand in the metafile but in no folder of ours. */
function isFile(path: string): boolean {
  return !path.includes(":") && !path.includes(".wrangler");
}
