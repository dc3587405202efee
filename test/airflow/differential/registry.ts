/**
 * The tasks of the differential test, which ask a gate outside how they are to end, and wait there until it is their turn. Each
 * is named after its operator. They are bundled with the product, served on a loopback address with state that is thrown away,
 * and never deployed.
 *
 * @module
 */
import { z } from "zod";
import { branch, createRegistry, NonRetryableError, shortCircuit, SkipError, task } from "../../../src/sdk/index.ts";
import type { Json, Registry, TaskContext } from "../../../src/sdk/index.ts";
import type { Outcome } from "./scenario.ts";

interface GateEnv {
  GATES_URL: string;
}

async function ask(ctx: TaskContext<GateEnv>): Promise<Json> {
  const { taskId, mapIndex, tryNumber } = ctx.ti;
  const body = JSON.stringify({ dagId: ctx.dag?.dagId, runId: ctx.runId, taskId, mapIndex, tryNumber });
  const response = await fetch(ctx.env.GATES_URL, { method: "POST", body, signal: ctx.signal });
  const stated: Outcome = await response.json();
  switch (stated.do) {
    case "return":
      return stated.value;
    case "skip":
      throw new SkipError("stated");
    case "fail_for_good":
      throw new NonRetryableError("stated");
    case "fail":
      throw new Error("stated");
  }
}

const branchAnswer = z.union([z.null(), z.string(), z.array(z.string())]);

const tasks = [
  task({ id: "task" }, ask),
  branch({ id: "branch" }, async (ctx: TaskContext<GateEnv>) => branchAnswer.parse(await ask(ctx))),
  shortCircuit({ id: "short_circuit" }, async (ctx: TaskContext<GateEnv>) => z.boolean().parse(await ask(ctx))),
];

/** What the bundle of the test runs instead of the product's own DAGs. */
export const registry: Registry = createRegistry({ dags: [], tasks });
