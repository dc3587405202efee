/**
 * What every act of the demo is given.
 *
 * @module
 */
import type { Client } from "../client.ts";
import type { Checks } from "./checks.ts";
import type { Screen } from "./screen.ts";

/** The server's client, where to write, and what to hold results against. */
export interface Stage {
  client: Client;
  screen: Screen;
  checks: Checks;
}

const FRAME_MS = 100;

/** Waits for the next picture. */
export async function nextFrame(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
}

/** Throws if `what` takes longer than `timeoutMs`, so that the demo never hangs. */
export function deadline(what: string, timeoutMs: number): () => void {
  const end = Date.now() + timeoutMs;
  return () => {
    if (Date.now() > end) {
      throw new Error(`expected ${what} within ${timeoutMs / 1000} s, it did not come`);
    }
  };
}
