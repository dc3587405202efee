/**
 * Checks words: every field and every value of the DAG spec is explained in `docs/dag-spec.md`, every command that the
 * documents show is a script of `package.json`, and every file they link to is there.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import {
  dagSpecSchema,
  taskGroupSpecSchema,
  taskSpecSchema,
  TRIGGER_RULES,
  webhookSpecSchema,
} from "../src/engine/spec.ts";
import { PROJECT_ROOT } from "./project.ts";

function readText(path: string): string {
  return readFileSync(join(PROJECT_ROOT, path), "utf8");
}

function documents(): string[] {
  const docs = readdirSync(join(PROJECT_ROOT, "docs"), { recursive: true, encoding: "utf8" });
  return [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    ...docs.filter((name) => name.endsWith(".md")).map((name) => join("docs", name)),
  ];
}

function unexplainedSpecWords(): string[] {
  const path = "docs/dag-spec.md";
  const text = existsSync(join(PROJECT_ROOT, path)) ? readText(path) : "";
  const words = [
    ...[dagSpecSchema, taskSpecSchema, taskGroupSpecSchema, webhookSpecSchema].flatMap((schema) =>
      Object.keys(schema.shape),
    ),
    ...TRIGGER_RULES,
  ];
  return [...new Set(words)]
    .filter((word) => !new RegExp(`\\b${word}\\b`).test(text))
    .map((word) => `${path}: expected the spec's word "${word}" to be explained, it is not there`);
}

function unknownCommands(path: string): string[] {
  const manifest: unknown = JSON.parse(readText("package.json"));
  const scripts = typeof manifest === "object" && manifest !== null && "scripts" in manifest ? manifest.scripts : {};
  const known = new Set(Object.keys(typeof scripts === "object" && scripts !== null ? scripts : {}));
  return [...readText(path).matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)/g)]
    .map((match) => match[1] ?? match[2] ?? "")
    .filter((name) => !known.has(name))
    .map((name) => `${path}: expected "npm run ${name}" to be a script of package.json, it is not`);
}

function brokenLinks(path: string): string[] {
  return [...readText(path).matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g)]
    .map((match) => match[1] ?? "")
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => !existsSync(resolve(PROJECT_ROOT, dirname(path), target)))
    .map((target) => `${path}: expected the link to ${target} to lead to a file, it does not`);
}

const problems = [
  ...unexplainedSpecWords(),
  ...documents().flatMap((path) => [...unknownCommands(path), ...brokenLinks(path)]),
];
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log(
  `words: the spec's are explained, commands and links of ${documents().length} documents lead somewhere (${relative(process.cwd(), PROJECT_ROOT) || "."})`,
);
