/**
 * Why a task instance that its dependencies let go does not run yet: limits of its DAG, permits, its queue, its worker. From the
 * functions that decide, and in words.
 *
 * @module
 */
import { fullLimit, type FullLimit } from "./admission.ts";
import type { UnmetDependency } from "./explain-dependencies.ts";
import { describeHolder } from "./permits/holders.ts";
import { waitingReason, type PermitExplanation } from "./permits/ledger-view.ts";
import { describeLedger, parseLedgerName } from "./permits/names.ts";
import { nextStep, type PermitWish } from "./permits/wish.ts";
import type { RunState } from "./run-state.ts";
import type { NodeInstance } from "./task-node.ts";

/** Airflow's names of the dependencies that limits are. */
const LIMIT_NAMES: Record<FullLimit["name"], string> = {
  max_active_tasks: "Task Instance Slots Available",
  max_active_tis_per_dagrun: "Task Concurrency",
  max_active_tis_per_dag: "Task Concurrency",
};
const LEDGER_NAMES = { pool: "Pool Slots Available", key: "Concurrency Key" } as const;

/** The limit of its DAG for which a scheduled instance stands in line, or waits with its permits in hand; null if there is none. */
export function explainLimit(state: RunState, instance: NodeInstance): UnmetDependency | null {
  const { node, wish } = instance;
  const full =
    instance.state === "scheduled" && node.isLimited
      ? fullLimit(state, node, wish === null ? "line" : "cleared")
      : null;
  return full === null ? null : { name: LIMIT_NAMES[full.name], reason: describeLimit(full, node.task.id) };
}

function describeLimit({ name, limit, taken }: FullLimit, taskId: string): string {
  switch (name) {
    case "max_active_tasks":
      return `${taken} of at most ${limit} task instances of the run are on their way (max_active_tasks)`;
    case "max_active_tis_per_dagrun":
      return `${taken} of at most ${limit} instances of '${taskId}' in the run are on their way (${name})`;
    case "max_active_tis_per_dag":
      return taken < limit
        ? `instances of '${taskId}' in an earlier run come first (${name} ${limit})`
        : `${taken} of at most ${limit} instances of '${taskId}' over all runs are on their way (${name})`;
  }
}

/**
 * What a wish waits for. `ask` finds out how its place in a ledger is; null if the ledger has never heard of it, and if it throws
 * the ledger does not answer.
 */
export async function explainWish(
  wish: PermitWish,
  ask: (ledger: string) => Promise<PermitExplanation | null>,
  now: number,
): Promise<UnmetDependency | null> {
  const step = nextStep(wish, now);
  switch (step.kind) {
    case "ask": {
      const { ledger } = step.need;
      const name = LEDGER_NAMES[parseLedgerName(ledger).kind];
      let explanation;
      try {
        explanation = await ask(ledger);
      } catch {
        return { name, reason: `${describeLedger(ledger)} does not answer now, it is asked again` };
      }
      const reason =
        explanation === null
          ? null
          : waitingReason(ledger, explanation, (permit) => describeHolder(permit.owner, permit.holder));
      return { name, reason: reason ?? `${describeLedger(ledger)} has been asked and has not answered yet` };
    }
    case "reserve":
      return { name: "Rate Limit", reason: `${namesOf(wish)} has been asked for a time and has not answered yet` };
    case "wait":
      return {
        name: "Rate Limit",
        reason: `${namesOf(wish)} lets it start in ${(step.until - now) / 1000} s, at ${new Date(step.until).toISOString()}`,
      };
    case "done":
      return null;
  }
}

function namesOf({ rates }: PermitWish): string {
  return rates
    .map(
      ({ limiter, rule: { limit, perMs } }) =>
        `rate limit \`${parseLedgerName(limiter).name}\` (${limit} per ${perMs / 1000} s)`,
    )
    .join(" and ");
}
