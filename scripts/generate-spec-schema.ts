/**
 * Writes the JSON Schema of a DAG's spec, as a person may write it, to `docs/dag-spec.schema.json`.
 *
 * With `--check` it writes nothing, and exits 1 if the file is not what it would write.
 *
 * @module
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  dagSpecSchema,
  expandSchema,
  expandSourceSchema,
  paramSpecSchema,
  taskGroupSpecSchema,
  taskSpecSchema,
  webhookSpecSchema,
} from "../src/engine/spec.ts";
import { PROJECT_ROOT } from "./project.ts";

const TARGET = join(PROJECT_ROOT, "docs", "dag-spec.schema.json");

/** The parts that get a name of their own in `$defs`, and what is said of them there. */
const PARTS: [z.ZodType, string, string][] = [
  [taskSpecSchema, "task", "One task. Durations are seconds."],
  [taskGroupSpecSchema, "task_group", "A group of tasks; with `expand` it is mapped."],
  [expandSchema, "expand", "How a task or a group is mapped."],
  [expandSourceSchema, "expand_source", "Where the elements of an expansion come from."],
  [paramSpecSchema, "param", "One param: a JSON Schema and, unless runs must supply it, a default."],
  [webhookSpecSchema, "webhook", "How deliveries to the DAG's webhook are verified."],
];

/** The document, as text. */
export function renderSchema(): string {
  const registry = z.registry<{ id?: string; title?: string; description?: string }>();
  for (const [schema, id, description] of PARTS) {
    registry.add(schema, { id, description });
  }
  registry.add(dagSpecSchema, { title: "Jobbers DAG spec", description: "See docs/dag-spec.md." });
  const document = z.toJSONSchema(dagSpecSchema, {
    io: "input",
    metadata: registry,
    override: ({ zodSchema, jsonSchema }) => {
      // A refinement is a function, which JSON Schema cannot say by itself.
      if (zodSchema === expandSchema.options[0].shape.kwargs) {
        jsonSchema.minProperties = 1;
      }
    },
  });
  return `${JSON.stringify(document, null, 2)}\n`;
}

async function main(): Promise<void> {
  const expected = renderSchema();
  if (!process.argv.includes("--check")) {
    await writeFile(TARGET, expected);
    return;
  }
  const current = await readFile(TARGET, "utf8").catch(() => "");
  if (current !== expected) {
    console.error("docs/dag-spec.schema.json is not current: run node scripts/generate-spec-schema.ts");
    process.exitCode = 1;
  }
}

if (import.meta.main) {
  await main();
}
