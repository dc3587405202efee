/**
 * `npm run bench`: the figures of the README, as JSON lines.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { measureAdmission } from "./admission.ts";
import { measureAlive } from "./alive.ts";
import { BURSTS } from "./bursts.ts";
import { runWorkflowInstances } from "./comparison.ts";
import { openFigures } from "./figures.ts";
import type { Figure, FigureSink, ServedBy } from "./figures.ts";
import { measureGrants } from "./pools.ts";
import { measure, WORKLOADS } from "./plan.ts";
import type { Plan, Workload } from "./plan.ts";
import { measureRows } from "./rows.ts";
import { measureSchedules } from "./schedules.ts";
import { percentile } from "./statistics.ts";
import { withTarget } from "./target.ts";
import type { Target } from "./target.ts";
import { runChain, runFanOut, submitInBulk, submitOne, timed } from "./workloads.ts";

const HELP = `npm run bench -- [options]

  --only W3[,W4]   these workloads alone: W1 to W10, W15, W16
  --json FILE      write the JSON lines to FILE too
  --served LIST    of "npm start", "wrangler dev", "workflows"; all three, comma-separated, if left out
  --quick          a third of the runs, and smaller ones of W8 and W9

W1 2,000 no-op tasks in one submission   W2 one task, long-polled   W3 a chain of 20   W4 1 -> 500 -> 1 and 1 -> 2,000 -> 1
W5 memory of the runtime                 W6 rows written            W7 a run of 20,000 task instances
W8 scheduled DAGs due at once            W9 grants of one pool           W10 cost of being admitted
W15 attempts alive at a time              W16 bursts of many clients`;

const BULK = 2000;
const HOPS = 20;
/** With the task before and the one after: as many task instances as one run may have. */
const LARGEST_MAP = 19_998;
const SMALL_MAP = 1998;

async function measureJobbers(target: Target, plan: Plan): Promise<void> {
  const { client, servedBy } = target;
  const { figures, wants, runs } = plan;
  const asServed = servedBy === "npm start";
  if (wants("W1")) {
    const rates = await measure(
      3,
      runs(9),
      async () => BULK / ((await timed(() => submitInBulk(client, BULK))) / 1000),
    );
    figures.add({
      name: "W1",
      unit: "tasks/s",
      runs: rates,
      served_by: servedBy,
      ...targetOf(asServed, { at_least: 10_000 }),
    });
  }
  if (wants("W2")) {
    const rounds: number[][] = [];
    for (let round = 0; round < runs(5); round += 1) {
      rounds.push(await measure(20, 200, async () => timed(() => submitOne(client))));
    }
    const p50 = rounds.map((series) => percentile(series, 0.5));
    const p95 = rounds.map((series) => percentile(series, 0.95));
    figures.add({ name: "W2 p50", unit: "ms", runs: p50, served_by: servedBy, ...targetOf(asServed, { at_most: 10 }) });
    figures.add({ name: "W2 p95", unit: "ms", runs: p95, served_by: servedBy });
  }
  if (wants("W3")) {
    const hops = await measure(5, runs(21), async () => (await timed(() => runChain(client))) / HOPS);
    figures.add({
      name: "W3",
      unit: "ms/hop",
      runs: hops,
      served_by: servedBy,
      ...targetOf(asServed, { at_most: 1.2 }),
    });
  }
  if (wants("W4")) {
    const small = await measure(3, runs(15), async () => timed(() => runFanOut(client, 500)));
    figures.add({
      name: "W4 500",
      unit: "ms",
      runs: small,
      served_by: servedBy,
      ...targetOf(asServed, { at_most: 60 }),
    });
    const large = await measure(1, runs(9), async () => timed(() => runFanOut(client, 2000)));
    figures.add({ name: "W4 2000", unit: "ms", runs: large, served_by: servedBy });
  }
  if (wants("W6") && asServed) {
    await measureRows(client, figures);
  }
  if (wants("W7") && asServed) {
    await measureLargeRun(target, plan);
  }
}

/** W5: the runtime of a server that has just started, and after it ran W1. A new server for each run. */
async function measureMemory({ figures, runs }: Plan): Promise<void> {
  const idle: number[] = [];
  const after: number[] = [];
  for (let run = 0; run < runs(5); run += 1) {
    await withTarget("npm start", async (target) => {
      await submitOne(target.client);
      idle.push(target.runtimeMegabytes());
      await submitInBulk(target.client, BULK);
      after.push(target.runtimeMegabytes());
    });
  }
  figures.add({ name: "W5 idle", unit: "MB", runs: idle, served_by: "npm start" });
  figures.add({ name: "W5 after W1", unit: "MB", runs: after, served_by: "npm start", target: { at_most: 130 } });
}

/** W8 and those after it, each on a server of its own: what one leaves behind is no burden to the next. */
async function measureAlone(workload: Workload, work: (target: Target) => Promise<void>, plan: Plan): Promise<void> {
  if (plan.wants(workload)) {
    await withTarget("npm start", async (target) => {
      await submitOne(target.client);
      await work(target);
    });
  }
}

async function measureLargeRun({ client, servedBy }: Target, { figures, runs }: Plan): Promise<void> {
  const perInstance = async (count: number, times: number): Promise<number[]> => {
    const total = await measure(1, times, async () => timed(() => runFanOut(client, count)));
    return total.map((elapsed) => elapsed / (count + 2));
  };
  const small = await perInstance(SMALL_MAP, runs(6));
  const large = await perInstance(LARGEST_MAP, runs(3));
  figures.add({ name: "W7", unit: "ms", runs: large.map((each) => each * (LARGEST_MAP + 2)), served_by: servedBy });
  figures.add({ name: "W7 per task instance, run of 2,000", unit: "ms", runs: small, served_by: servedBy });
  figures.add({ name: "W7 per task instance, run of 20,000", unit: "ms", runs: large, served_by: servedBy });
  const least = percentile(small, 0.5);
  figures.add({ name: "W7 growth", unit: "times", runs: large.map((each) => each / least), served_by: servedBy });
}

async function measureWorkflows({ client, servedBy }: Target, { figures, wants, runs }: Plan): Promise<void> {
  if (wants("W2")) {
    const each = await measure(20, runs(60), async () => timed(() => runWorkflowInstances(client, 1)));
    figures.add({ name: "W2 p50", unit: "ms", runs: [percentile(each, 0.5)], served_by: servedBy });
    figures.add({ name: "W2 p95", unit: "ms", runs: [percentile(each, 0.95)], served_by: servedBy });
  }
  if (wants("W3")) {
    const hops = await measure(
      5,
      runs(21),
      async () => (await timed(() => runWorkflowInstances(client, 1, { chain: HOPS }))) / HOPS,
    );
    figures.add({ name: "W3", unit: "ms/hop", runs: hops, served_by: servedBy });
  }
  if (wants("W4")) {
    const small = await measure(1, runs(6), async () => timed(() => runWorkflowInstances(client, 1, { fanOut: 500 })));
    figures.add({ name: "W4 500", unit: "ms", runs: small, served_by: servedBy });
    const large = await measure(0, runs(3), async () => timed(() => runWorkflowInstances(client, 1, { fanOut: 2000 })));
    figures.add({ name: "W4 2000", unit: "ms", runs: large, served_by: servedBy });
  }
}

/** W1 on Workflows: a new server for each run, since two thousand instances leave a gigabyte behind. */
async function measureWorkflowsInBulk({ figures, runs }: Plan): Promise<void> {
  const rates: number[] = [];
  for (let run = 0; run < runs(3); run += 1) {
    await withTarget("workflows", async ({ client }) => {
      await runWorkflowInstances(client, 1);
      rates.push(BULK / ((await timed(() => runWorkflowInstances(client, BULK))) / 1000));
    });
  }
  figures.add({ name: "W1", unit: "tasks/s", runs: rates, served_by: "workflows" });
}

/** What is compared with may give no answer on a slow machine: that is said, and the rest is measured. */
async function unlessSilent(measureOther: () => Promise<void>): Promise<void> {
  try {
    await measureOther();
  } catch (error) {
    console.error(`Workflows: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** How many times better Jobbers is, from the medians of this same run. */
function compare(figures: FigureSink): void {
  const goals: Record<string, Figure["target"]> = {
    W1: { at_least: 30 },
    "W2 p50": undefined,
    W3: { at_least: 3 },
    "W4 500": { at_least: 10 },
    "W4 2000": undefined,
  };
  const measured = figures.all();
  for (const [name, target] of Object.entries(goals)) {
    const ours = measured.find((figure) => figure.name === name && figure.served_by === "npm start");
    const theirs = measured.find((figure) => figure.name === name && figure.served_by === "workflows");
    if (ours !== undefined && theirs !== undefined) {
      const ratio = ours.unit === "tasks/s" ? ours.value / theirs.value : theirs.value / ours.value;
      figures.add({
        name: `${name} against Workflows`,
        unit: "times",
        runs: [ratio],
        served_by: "npm start",
        ...(target === undefined ? {} : { target }),
      });
    }
  }
}

function targetOf(applies: boolean, target: Exclude<Figure["target"], undefined>): Pick<Figure, "target"> {
  return applies ? { target } : {};
}

function chooseOf<T extends string>(flag: string, text: string | undefined, known: readonly T[]): readonly T[] {
  if (text === undefined) {
    return known;
  }
  return text.split(",").map((name) => {
    const match = known.find((each) => each.toLowerCase() === name.trim().toLowerCase());
    if (match === undefined) {
      throw new Error(`${flag}: expected some of ${known.join(", ")}, got ${JSON.stringify(name)}`);
    }
    return match;
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      json: { type: "string" },
      served: { type: "string" },
      quick: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const workloads = chooseOf("--only", values.only, WORKLOADS);
  const served = chooseOf("--served", values.served, [
    "npm start",
    "wrangler dev",
    "workflows",
  ] as const satisfies ServedBy[]);
  const figures = openFigures(values.json ?? null);
  const plan: Plan = {
    wants: (workload) => workloads.includes(workload),
    runs: (full) => (values.quick ? Math.max(1, Math.round(full / 3)) : full),
    isQuick: values.quick,
    figures,
  };
  for (const servedBy of served) {
    const comparable = plan.wants("W1") || plan.wants("W2") || plan.wants("W3") || plan.wants("W4");
    if (comparable || (servedBy === "npm start" && (plan.wants("W6") || plan.wants("W7")))) {
      await (servedBy === "workflows"
        ? unlessSilent(() => withTarget(servedBy, (target) => measureWorkflows(target, plan)))
        : withTarget(servedBy, (target) => measureJobbers(target, plan)));
    }
  }
  if (plan.wants("W1") && served.includes("workflows")) {
    await unlessSilent(() => measureWorkflowsInBulk(plan));
  }
  if (plan.wants("W5") && served.includes("npm start")) {
    await measureMemory(plan);
  }
  if (served.includes("npm start")) {
    await measureAlone("W8", ({ client }) => measureSchedules(client, plan), plan);
    await measureAlone("W9", ({ client }) => measureGrants(client, plan), plan);
    await measureAlone("W10", ({ client }) => measureAdmission(client, plan), plan);
    await measureAlone("W15", ({ client }) => measureAlive(client, plan), plan);
    for (const measureBurst of BURSTS) {
      await measureAlone("W16", (target) => measureBurst(target, plan), plan);
    }
  }
  compare(figures);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
