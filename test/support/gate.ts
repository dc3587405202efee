/**
 * A gate that handlers stand at: an HTTP server that answers when the test says so.
 *
 * @module
 */
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";

/** A gate. */
export interface Gate {
  url: string;
  /** Resolves when somebody has come to this path `times` times. */
  arrived(path: string, times?: number): Promise<void>;
  /** How often somebody came to this path. */
  count(path: string): number;
  /** Lets through everybody who stands at this path, and everybody who comes. */
  open(path: string): void;
  close(): void;
}

/** Opens a gate on this machine. */
export async function openGate(): Promise<Gate> {
  const standing = new Map<string, ServerResponse[]>();
  const counts = new Map<string, number>();
  const open = new Set<string>();
  const watchers = new Set<() => void>();
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    counts.set(path, (counts.get(path) ?? 0) + 1);
    if (open.has(path)) {
      response.end("open");
    } else {
      standing.set(path, [...(standing.get(path) ?? []), response]);
    }
    for (const look of watchers) {
      look();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (typeof address !== "object" || address === null) {
    throw new Error("expected the gate to have a port, it has none");
  }
  const count = (path: string): number => counts.get(path) ?? 0;
  return {
    url: `http://127.0.0.1:${address.port}`,
    async arrived(path, times = 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (): void => {
        if (count(path) >= times) {
          resolve();
        }
      };
      watchers.add(look);
      look();
      await promise;
      watchers.delete(look);
    },
    count,
    open(path) {
      open.add(path);
      for (const response of standing.get(path) ?? []) {
        response.end("open");
      }
      standing.delete(path);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
