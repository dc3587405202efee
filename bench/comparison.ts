/**
 * W1 to W4 on Cloudflare Workflows.
 *
 * @module
 */
import { z } from "zod";
import { read } from "../scripts/client.ts";
import type { Client } from "../scripts/client.ts";

/** Shape of the instances: a chain of steps, or a fan-out between two steps; one step if left out. */
export interface WorkflowShape {
  chain?: number;
  fanOut?: number;
}

/** Runs `instances` workflows and returns when all have ended. */
export async function runWorkflowInstances(
  client: Client,
  instances: number,
  shape: WorkflowShape = {},
): Promise<void> {
  const answer = await client.http.call("POST", "/bench/workflows", { instances, shape });
  read(z.object({ instances: z.literal(instances) }), answer, "POST /bench/workflows");
}
