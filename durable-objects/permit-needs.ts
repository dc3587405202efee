/**
 * What a task needs before it may be queued, from its spec and from the code that is registered under its handler's name.
 *
 * @module
 */
import { ledgerName } from "../src/engine/permits/names.ts";
import { hasRates, type Queues } from "../src/engine/queues.ts";
import type { PermitNeeds, RateNeed } from "../src/engine/permits/wish.ts";
import type { TaskSpec } from "../src/engine/spec.ts";
import { limitsOf, type AnyTaskDefinition } from "../src/sdk/index.ts";

/** Says whether a task needs anything, whatever its input. */
export function needsPermits(spec: TaskSpec, definition: AnyTaskDefinition | undefined, queues: Queues): boolean {
  const hasHandler = spec.operator !== "empty" && spec.operator !== "latest_only";
  return hasHandler && (spec.pool !== undefined || definition?.limits !== undefined || hasRates(queues));
}

/**
 * Everything it needs.
 *
 * @param input Gives the input; called only if a key is read from it.
 * @param queueRates Rate limits of the queue that its message goes to.
 * @throws Error if a key cannot be made of the input.
 */
export function permitNeeds(
  spec: TaskSpec,
  definition: AnyTaskDefinition | undefined,
  input: () => unknown,
  queueRates: readonly RateNeed[],
): PermitNeeds {
  const needs: PermitNeeds = { ledgers: [], rates: [...queueRates] };
  if (spec.pool !== undefined) {
    needs.ledgers.push({ ledger: ledgerName("pool", spec.pool), slots: spec.pool_slots });
  }
  if (definition !== undefined) {
    const { concurrency, rate } = limitsOf(definition, input);
    if (concurrency !== null) {
      needs.ledgers.push({ ledger: concurrency.ledger, slots: 1, limit: concurrency.limit });
    }
    if (rate !== null) {
      needs.rates.push(rate);
    }
  }
  return needs;
}
