/**
 * Errors in the shape in which the platform throws them.
 *
 * @module
 */

/** What a call throws that an invocation may not make any more. */
export function tooManySubrequests(): Error {
  return new Error(
    "Too many subrequests by single Worker invocation. To configure this limit, refer to https://developers.cloudflare.com/workers/wrangler/configuration/#limits",
  );
}

/** What an invocation ends with that computed for too long. */
export function exceededCpu(): Error {
  return new Error("Worker exceeded CPU time limit.");
}

/** What an invocation ends with that took too long. */
export function exceededWall(): Error {
  return new Error("Worker exceeded wall time limit.");
}

/** What `sendBatch` throws when the queue takes no more. */
export function tooManyRequests(): Error {
  return new Error("Queue sendBatch failed: Too Many Requests");
}

/** What `sendBatch` throws for messages that are too large or too many. */
export function refusedBatch(reason: string): Error {
  return new Error(`Queue sendBatch failed: ${reason}`);
}

/** What a call throws whose object has too many of them. */
export function overloaded(): Error {
  return Object.assign(
    new Error("Durable Object is overloaded. Too many requests for the same object within a 10 second window."),
    {
      overloaded: true,
      remote: true,
    },
  );
}

/** Why an object is reset. */
export const RESET_REASON = "Durable Object reset because its code was updated.";

/** Says whether a call failed because its object was reset under it. */
export function isReset(error: unknown): error is Error {
  return error instanceof Error && Reflect.get(error, "durableObjectReset") === true;
}
