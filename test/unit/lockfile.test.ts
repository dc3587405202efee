import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "vitest";
import { z } from "zod";
import { PROJECT_ROOT } from "../../scripts/project.ts";

const oneOrMore = z.union([z.string().transform((only) => [only]), z.array(z.string())]);
const lockedSchema = z.object({
  version: z.string().optional(),
  integrity: z.string().startsWith("sha512-").optional(),
  resolved: z.string().optional(),
  optional: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
  os: oneOrMore.default([]),
  cpu: oneOrMore.default([]),
  libc: oneOrMore.default([]),
});
const lockfileSchema = z.object({ packages: z.record(z.string(), lockedSchema) });
const manifestSchema = z.object({ optionalDependencies: z.record(z.string(), z.string()) });

function readJson(name: string): unknown {
  const json: unknown = JSON.parse(readFileSync(join(PROJECT_ROOT, name), "utf8"));
  return json;
}

const { "": _root, ...locked } = lockfileSchema.parse(readJson("package-lock.json")).packages;
const packages = Object.entries(locked);

/** Whether it is installed on Linux with the usual libc, on either processor: where servers and CI run. */
function isForLinux({ os, cpu, libc }: z.infer<typeof lockedSchema>): boolean {
  const usual = cpu.length === 0 || cpu.includes("x64") || cpu.includes("arm64");
  return (os.length === 0 || os.includes("linux")) && usual && !libc.includes("musl");
}

describe("the lockfile", () => {
  test("pins by its hash all that is installed on Linux", ({ expect }) => {
    const unpinned = packages.filter(([, each]) => isForLinux(each) && each.integrity === undefined);
    expect(packages.length).toBeGreaterThan(200);
    expect(unpinned.map(([path]) => path)).toEqual([]);
  });

  test("leaves without a hash only what is optional on other platforms", ({ expect }) => {
    const unpinned = packages.filter(([, each]) => each.integrity === undefined);
    expect(unpinned.filter(([, each]) => !each.optional || each.os.length === 0)).toEqual([]);
  });

  test("names no registry", ({ expect }) => {
    expect(packages.filter(([, each]) => each.resolved !== undefined)).toEqual([]);
  });

  test("has the Node that runs the scripts, one per platform, and no package that downloads one", ({ expect }) => {
    const { optionalDependencies } = manifestSchema.parse(readJson("package.json"));
    const nodes = Object.keys(optionalDependencies).filter((name) => /^node-(bin-)?(linux|darwin|win)-/.test(name));
    expect(nodes.length).toBe(5);
    expect(new Set(nodes.map((name) => locked[`node_modules/${name}`]?.version)).size).toBe(1);
    expect(locked["node_modules/node"]).toBeUndefined();
    const scripted = packages.filter(([, each]) => each.hasInstallScript).map(([path]) => path);
    expect(scripted.toSorted()).toEqual(["node_modules/esbuild", "node_modules/workerd"]);
  });
});
