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

const PATH = "/bench/workflows";
const createdSchema = z.object({ target: z.number(), id: z.string() });

/** Runs `instances` workflows and returns when all have ended. */
export async function runWorkflowInstances(
  client: Client,
  instances: number,
  shape: WorkflowShape = {},
): Promise<void> {
  const created = read(createdSchema, await client.http.call("POST", PATH, { instances, shape }), `POST ${PATH}`);
  const single = instances === 1 ? `&id=${created.id}` : "";
  const wait = `${PATH}?target=${created.target}${single}`;
  read(z.object({ ended: z.literal(true) }), await client.http.call("GET", wait), `GET ${wait}`);
}
