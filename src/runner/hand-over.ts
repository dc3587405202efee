/**
 * What becomes of a try whose server stops: it is handed over, which is to say that it runs again as the same try.
 *
 * @module
 */
import type { Outcome } from "../engine/work.ts";

/** From the hand-over to the earliest start: by then the server that hands over is gone. */
const NOT_BEFORE_MS = 1000;
/** Causes of causes that are looked at: a chain may be a circle. */
const CAUSES_AT_MOST = 10;

/** Why a handler's signal fires when its server stops. A handler that throws it is handed over. */
export class ServerStopping extends Error {
  override readonly name = "ServerStopping";

  constructor() {
    super("the server is stopping; the task starts again, as the same try, when it is back");
  }
}

/** The outcome of a try that is handed over: Airflow's reschedule, which is no failed try. @param now Epoch milliseconds. */
export function handOver(now: number): Outcome {
  return { state: "up_for_reschedule", at: now + NOT_BEFORE_MS };
}

/**
 * Says whether a handler threw because its server stops: the reason of its signal, an error that this caused, or what the
 * platform throws for a call that was aborted.
 *
 * @param reason Why the handler's signal fired, if it did.
 */
export function threwToStop(thrown: unknown, reason: unknown): boolean {
  if (!(reason instanceof ServerStopping)) {
    return false;
  }
  let error = thrown;
  for (let depth = 0; error instanceof Error && depth < CAUSES_AT_MOST; depth += 1) {
    // By name: a call that was aborted rejects with a copy of the reason.
    if (error.name === reason.name || error.name === "AbortError") {
      return true;
    }
    error = error.cause;
  }
  return false;
}
