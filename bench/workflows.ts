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

/** Creates `instances` workflows of one shape: `POST /bench/workflows`. Answers at once, as a submission does. */
async function create(request: Request, env: WorkflowsEnv): Promise<Response> {
  const { instances, shape }: { instances: number; shape: Shape } = await request.json();
  const target = (await env.GATE.getByName(GATE_NAME).ended()) + instances;
  const ids = Array.from({ length: instances }, () => crypto.randomUUID());
  for (let made = 0; made < instances; made += BATCH) {
    const created = await env.SHAPE.createBatch(ids.slice(made, made + BATCH).map((id) => ({ id, params: shape })));
    created.forEach(release);
  }
  return Response.json({ target, id: ids[0] });
}

/** Lets an instance's handle go, which the runtime else keeps until it is collected. */
function release(handle: object): void {
  const dispose: unknown = Reflect.get(handle, Symbol.dispose);
  if (typeof dispose === "function") {
    Reflect.apply(dispose, handle, []);
  }
}

/**
 * Answers when they have ended: `GET /bench/workflows?target=…`. With the `id` of a single one it waits until its status
 * says so, which is when its end is on disk; many are not asked one by one, to the comparison's advantage.
 */
async function wait(url: URL, env: WorkflowsEnv): Promise<Response> {
  await env.GATE.getByName(GATE_NAME).wait(Number(url.searchParams.get("target")));
  const id = url.searchParams.get("id");
  if (id !== null) {
    const instance = await env.SHAPE.get(id);
    while ((await instance.status()).status !== "complete") {
      await scheduler.wait(0);
    }
    release(instance);
  }
  return Response.json({ ended: true });
}

/** Instances of one `createBatch`, as many as it takes. */
const BATCH = 100;

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname !== "/bench/workflows") {
      return new Response(null, { status: 404 });
    }
    return request.method === "POST" ? create(request, env) : wait(url, env);
  },
  async scheduled() {
    // Nothing is due here; the server ticks every Worker it serves.
  },
} satisfies ExportedHandler<WorkflowsEnv>;
