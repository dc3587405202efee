/**
 * The README's table of figures, from the JSON lines of a run: `node bench/table.ts FILE` prints it, and with `--write`
 * puts it into the README.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { PROJECT_ROOT } from "../scripts/project.ts";

const lineSchema = z.object({
  name: z.string(),
  unit: z.string(),
  value: z.number(),
  served_by: z.string(),
  target: z.union([z.object({ at_most: z.number() }), z.object({ at_least: z.number() })]).optional(),
});
type Line = z.infer<typeof lineSchema>;

const WORDS: Record<string, string> = {
  W1: "W1: 2,000 no-op tasks in one submission",
  "W2 p50": "W2: one task over HTTP, submitted to done, median",
  "W2 p95": "W2: the same, 95th percentile",
  W3: "W3: a chain of 20, per hop",
  "W4 500": "W4: 1 → 500 → 1",
  "W4 2000": "W4: 1 → 2,000 → 1",
  "W5 idle": "W5: memory of the runtime, idle",
  "W5 after W1": "W5: memory of the runtime after W1",
  "W6 queued task instance": "W6: rows written per queued task instance",
  "W6 inline task instance": "W6: rows written per inline task instance",
  "W6 standalone job": "W6: rows written per standalone job",
  "W6 task of a bulk of 2,000": "W6: rows written per task of a bulk",
  W7: "W7: a run of 20,000 task instances",
  "W7 growth": "W7: cost of a task instance in a run of 20,000 against one of 2,000",
  W8: "W8: scheduled DAGs due at once, runs started per second",
  "W8 lateness p50": "W8: how late such a run starts, median",
  "W8 lateness p99": "W8: the same, 99th percentile",
  W9: "W9: grants of a pool of 10 slots, one DAG",
  "W9 4 DAGs": "W9: the same, four DAGs contend",
  "W9 most held": "W9: most slots seen held at a time",
  "W10 free": "W10: a task instance without limits",
  "W10 local, more than free": "W10: more than that under `max_active_tasks`",
  "W10 pool, more than free": "W10: more than that in a pool",
  "W10 key, more than free": "W10: more than that with a concurrency key",
  "W10 local, rows more than free": "W10: more rows under `max_active_tasks`",
  "W10 pool, rows more than free": "W10: more rows in a pool",
  "W10 key, rows more than free": "W10: more rows with a concurrency key",
  "W15 heartrate 5 s": "W15: attempts of 12 s alive at a time in one DAG, each begun once",
  "W15 heartrate 5 s, busy disk": "W15: the same while another process writes with fsync",
  "W15 heartrate 5 s, silent worker": "W15: a silent worker among them is found after",
  "W15 heartrate 5 s, busy disk, silent worker": "W15: the same while another process writes with fsync",
  "W15 heartrate 1 s": "W15: attempts of 3 s at a heartrate of 1 s",
  "W15 heartrate 1 s, busy disk": "W15: the same while another process writes with fsync",
  "W16 singles": "W16: single tasks of 200 clients, accepted and finished",
  "W16 singles p99": "W16: the same, from request to answer, 99th percentile",
  "W16 memory at the end": "W16: memory of the runtime then",
  "W16 memory after a rest": "W16: the same after a minute, against before",
  "W16 long-polls": "W16: memory of the runtime under 10,000 long-polls",
  "W16 bulks": "W16: 20 submissions of 10,000 at once, until all is done",
  "W16 bulks memory": "W16: memory of the runtime then",
};

function shown(line: Line | undefined): string {
  return line === undefined ? "" : `${line.value.toLocaleString("en-US")} ${line.unit}`;
}

function goal({ target }: Line): string {
  if (target === undefined) {
    return "";
  }
  return "at_most" in target
    ? `≤ ${target.at_most.toLocaleString("en-US")}`
    : `≥ ${target.at_least.toLocaleString("en-US")}`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { write: { type: "boolean", default: false } },
});
const [file] = positionals;
if (file === undefined) {
  console.error("expected the file of a run: npm run bench -- --json FILE");
  process.exit(1);
}
const lines = readFileSync(file, "utf8")
  .split("\n")
  .filter((text) => text !== "")
  .map((text) => lineSchema.parse(JSON.parse(text)));

function find(name: string, servedBy: string): Line | undefined {
  return lines.find((line) => line.name === name && line.served_by === servedBy);
}

const rows = Object.entries(WORDS).flatMap(([name, words]) => {
  const ours = find(name, "npm start");
  if (ours === undefined) {
    return [];
  }
  const ratio = find(`${name} against Workflows`, "npm start");
  const times = ratio === undefined ? "" : `${ratio.value} times`;
  const cells = [
    words,
    shown(ours),
    goal(ours),
    shown(find(name, "wrangler dev")),
    shown(find(name, "workflows")),
    times,
  ];
  return [`| ${cells.join(" | ")} |`];
});
const table = [
  "| | `npm start` | goal | `wrangler dev` | Workflows | against Workflows |",
  "|---|---|---|---|---|---|",
  ...rows,
].join("\n");

if (values.write) {
  const readme = join(PROJECT_ROOT, "README.md");
  const text = readFileSync(readme, "utf8");
  const filled = text.replace(/(<!-- figures -->\n)[\s\S]*?(<!-- end of figures -->)/, `$1\n${table}\n\n$2`);
  if (!filled.includes(table)) {
    throw new Error("expected README.md to have the lines <!-- figures --> and <!-- end of figures -->, it has not");
  }
  writeFileSync(readme, filled);
} else {
  console.log(table);
}
