/**
 * The name of this isolate among workers.
 *
 * @module
 */

const PREFIX = "worker-";
let hostname: string | undefined;

/** Who this isolate is, as `hostname` of what it runs. Made at first use: the platform allows no randomness before a request. */
export function hostnameOfIsolate(): string {
  hostname ??= `${PREFIX}${crypto.randomUUID().slice(0, 8)}`;
  return hostname;
}

/**
 * Says whether a worker is known to have ended: where objects and handlers share the one isolate of the one process, each other
 * isolate was that of a process before. On the platform there are many, and silence is the only sign.
 *
 * @param consumer `TASK_CONSUMER`: "detach" where there is one process.
 */
export function isWorkerGone(worker: string | null, consumer: string): boolean {
  return consumer === "detach" && worker !== null && worker.startsWith(PREFIX) && worker !== hostnameOfIsolate();
}
