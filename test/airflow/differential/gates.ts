/**
 * Where the tasks of the Jobbers side wait: each asks how it is to end, and is answered when it is its turn.
 *
 * @module
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { z } from "zod";
import type { RunningTry } from "./order.ts";
import type { Outcome } from "./scenario.ts";

const askedSchema = z.object({
  dagId: z.string(),
  runId: z.string(),
  taskId: z.string(),
  mapIndex: z.number(),
  tryNumber: z.number(),
});

/** Tries that wait to be answered. */
export class Gates {
  readonly #waiting = new Map<string, ServerResponse[]>();
  readonly #arrivals = new Map<string, () => void>();
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  /** Listens on a free port of the loopback address. */
  static async open(): Promise<Gates> {
    const gates = new Gates();
    gates.#server.listen(0, "127.0.0.1");
    await once(gates.#server, "listening");
    return gates;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") {
      throw new Error("expected the gates to listen on a port, they do not");
    }
    return `http://127.0.0.1:${address.port}/`;
  }

  isWaiting(dagId: string, one: RunningTry): boolean {
    return this.#waiting.has(keyOf(dagId, one));
  }

  /** Answers a try that waits. */
  release(dagId: string, one: RunningTry, outcome: Outcome): void {
    this.#answer(keyOf(dagId, one), outcome);
  }

  /** Answers whatever still waits for a DAG: tries that were stopped, whose outcome no longer counts. */
  releaseRest(dagId: string): void {
    for (const key of this.#waiting.keys()) {
      if (key.startsWith(`${dagId}|`)) {
        this.#answer(key, { do: "fail" });
      }
    }
  }

  /** Resolves when a task of the DAG arrives, or after `timeoutMs`. */
  async arrival(dagId: string, timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#arrivals.set(dagId, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    this.#arrivals.delete(dagId);
  }

  /** Answers whatever still waits. */
  releaseAll(): void {
    for (const key of this.#waiting.keys()) {
      this.#answer(key, { do: "fail" });
    }
  }

  async close(): Promise<void> {
    this.releaseAll();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #answer(key: string, outcome: Outcome): void {
    for (const response of this.#waiting.get(key) ?? []) {
      response.end(JSON.stringify(outcome));
    }
    this.#waiting.delete(key);
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const { dagId, ...one } = askedSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
    const key = keyOf(dagId, one);
    this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), response]);
    this.#arrivals.get(dagId)?.();
  }
}

function keyOf(dagId: string, one: RunningTry): string {
  return `${dagId}|${one.runId}|${one.taskId}|${one.mapIndex}|${one.tryNumber}`;
}
