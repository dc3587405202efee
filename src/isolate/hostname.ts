/**
 * The name of this isolate, as workers and objects that run tasks give it.
 *
 * @module
 */

let name: string | undefined;

/** It is made at first use: the platform allows no randomness before a request. */
export function hostname(): string {
  name ??= `worker-${crypto.randomUUID().slice(0, 8)}`;
  return name;
}
