/**
 * The same work on Cloudflare Workflows, for comparison: one step, a chain of 20, and 1 -> n -> 1. A Worker of its own, so
 * that neither side carries the other's memory.
 *
 * @module
 */
import { DurableObject, WorkflowEntrypoint } from "cloudflare:workers";
import type { WorkflowEvent, WorkflowStep } from "cloudflare:workers";

interface Shape {
  /** Steps one after the other. */
  chain?: number;
  /** Steps side by side, between a first and a last one. */
  fanOut?: number;
}

interface WorkflowsEnv {
  SHAPE: Workflow<Shape>;
  GATE: DurableObjectNamespace<Gate>;
}

const GATE_NAME = "gate";

/**
 * Counts instances that ended and tells whoever waits. It keeps nothing on disk and is told from inside the last step,
 * so the comparison pays less for it than for a look at an instance's status.
 */
export class Gate extends DurableObject {
  #ended = 0;
  #waiting: { target: number; open: () => void }[] = [];

  async end(): Promise<void> {
    this.#ended += 1;
    this.#waiting = this.#waiting.filter(({ target, open }) => {
      if (this.#ended >= target) {
        open();
        return false;
      }
      return true;
    });
  }

  async ended(): Promise<number> {
    return this.#ended;
  }

  async wait(target: number): Promise<void> {
    if (this.#ended < target) {
      await new Promise<void>((open) => {
        this.#waiting.push({ target, open });
      });
    }
  }
}

/** A workflow of no-op steps; the last one opens the gate. */
export class ShapeWorkflow extends WorkflowEntrypoint<WorkflowsEnv, Shape> {
  override async run(event: Readonly<WorkflowEvent<Shape>>, step: WorkflowStep): Promise<void> {
    const { chain = 1, fanOut } = event.payload;
    const end = async (): Promise<void> => this.env.GATE.getByName(GATE_NAME).end();
    if (fanOut === undefined) {
      for (let index = 1; index < chain; index += 1) {
        await step.do(`step ${index}`, async () => index);
      }
      await step.do("last", end);
      return;
    }
    const count = await step.do("first", async () => fanOut);
    await Promise.all(Array.from({ length: count }, async (_, index) => step.do(`branch ${index}`, async () => index)));
    await step.do("last", end);
  }
}

/** Creates `instances` workflows of one shape and answers when all have ended: `POST /bench/workflows`. */
async function runWorkflows(request: Request, env: WorkflowsEnv): Promise<Response> {
  const { instances, shape }: { instances: number; shape: Shape } = await request.json();
  const gate = env.GATE.getByName(GATE_NAME);
  const target = (await gate.ended()) + instances;
  for (let made = 0; made < instances; made += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, instances - made) }, () => ({
      id: crypto.randomUUID(),
      params: shape,
    }));
    await env.SHAPE.createBatch(batch);
  }
  await gate.wait(target);
  return Response.json({ instances });
}

/** Instances of one `createBatch`, as many as it takes. */
const BATCH = 100;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    return pathname === "/bench/workflows" ? runWorkflows(request, env) : new Response(null, { status: 404 });
  },
} satisfies ExportedHandler<WorkflowsEnv>;
