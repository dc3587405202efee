/**
 * Pools as JSON, in Airflow's fields, and who holds their slots, which is ours.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { jobOfOwner, parseHolder } from "../../engine/permits/holders.ts";
import type { LedgerView, PermitView } from "../../engine/permits/ledger-view.ts";
import { INFINITE, type LedgerConfig } from "../../engine/permits/permit.ts";
import { poolName } from "../../engine/spec.ts";
import { dateTime, iso } from "../time.ts";

/** Slots a pool may have: what a column of Airflow's holds. */
const MAX_SLOTS = 2_147_483_647;

export const poolSchema = z
  .object({
    name: z.string(),
    slots: z.number().int().openapi({ description: "-1 for no limit" }),
    description: z.string().nullable(),
    include_deferred: z.boolean().openapi({ description: "Deferred task instances keep their slots" }),
    occupied_slots: z.number().int(),
    running_slots: z.number().int(),
    queued_slots: z.number().int().openapi({ description: "Granted, and not running yet" }),
    scheduled_slots: z.number().int().openapi({ description: "Waited for" }),
    open_slots: z.number().int().openapi({ description: "-1 for no limit; below 0 after the pool was made smaller" }),
    deferred_slots: z.number().int(),
    team_name: z.string().nullable(),
  })
  .openapi("PoolResponse");
export type PoolJson = z.infer<typeof poolSchema>;

export const poolCollectionSchema = z
  .object({ pools: z.array(poolSchema), total_entries: z.number().int() })
  .openapi("PoolCollectionResponse");

/** A pool as the API answers it. */
export function poolJson(name: string, view: LedgerView): PoolJson {
  return {
    name,
    slots: view.slots,
    description: view.description,
    include_deferred: view.include_deferred,
    occupied_slots: view.occupied_slots,
    running_slots: view.running_slots,
    queued_slots: view.queued_slots,
    scheduled_slots: view.scheduled_slots,
    open_slots: view.open_slots,
    deferred_slots: view.deferred_slots,
    team_name: null,
  };
}

// ── bodies ────────────────────────────────────────────────────────────────────────────────────────────────────────

const slots = z
  .number()
  .int()
  .min(INFINITE, "expected slots from 0 on, or -1 for no limit")
  .max(MAX_SLOTS, `expected at most ${MAX_SLOTS} slots`)
  .openapi({ description: "From 0 on, or -1 for no limit" });

const description = z.string().max(10_000, "expected at most 10000 characters").nullish();

const teamName = z
  .null({ error: "expected null: team_name cannot be set when multi_team mode is disabled" })
  .optional()
  .openapi({ description: "Not served: there are no teams" });

export const poolBody = z
  .strictObject({
    name: poolName,
    slots,
    description,
    include_deferred: z.boolean().optional().openapi({ description: "False if it is left out of a new pool" }),
    team_name: teamName,
  })
  .openapi("PoolBody");
/** A pool as a request gives it. */
export type PoolBody = z.output<typeof poolBody>;

export const poolPatchBody = z
  .strictObject({
    name: z.string().nullish().openapi({ description: "The name that is in the path" }),
    pool: z.string().nullish().openapi({ description: "The same" }),
    slots: slots.optional(),
    description,
    include_deferred: z.boolean().optional(),
    team_name: teamName,
  })
  .openapi("PoolPatchBody");
/** What a request changes of a pool. */
export type PoolPatchBody = z.output<typeof poolPatchBody>;

/** What a body says of a pool's ledger: only what it gives, and of that only what the mask names. */
export function poolConfig(
  given: {
    slots?: number | undefined;
    description?: string | null | undefined;
    include_deferred?: boolean | undefined;
  },
  mask: readonly string[] | null = null,
): Partial<LedgerConfig> {
  const counts = (field: string): boolean => mask === null || mask.length === 0 || mask.includes(field);
  return {
    ...(given.slots !== undefined && counts("slots") ? { slots: given.slots } : {}),
    ...(given.description !== undefined && counts("description") ? { description: given.description } : {}),
    ...(given.include_deferred !== undefined && counts("include_deferred")
      ? { include_deferred: given.include_deferred }
      : {}),
  };
}

// ── permits ───────────────────────────────────────────────────────────────────────────────────────────────────────

export const permitSchema = z
  .object({
    state: z.enum(["waiting", "queued", "running", "deferred"]),
    since: dateTime.openapi({ description: "When it came to be waiting, held or deferred" }),
    slots: z.number().int(),
    priority: z.number().int(),
    dag_id: z.string().nullable(),
    run_id: z.string().nullable(),
    task_id: z.string().nullable(),
    map_index: z.number().int().nullable(),
    job_id: z.string().nullable().openapi({ description: "Of a task that runs by itself" }),
    owner: z.string().openapi({ description: "Name of the object that asks; of a bulk submission it is all there is" }),
    holder: z.string().openapi({ description: "How that object names what it asks for" }),
  })
  .openapi("Permit");
export type PermitJson = z.infer<typeof permitSchema>;

export const permitCollectionSchema = z
  .object({ permits: z.array(permitSchema), total_entries: z.number().int() })
  .openapi("PermitCollection");

/** Names of objects that are no DAG begin with it. */
const NO_DAG = "@";

/** A permit as the API answers it. */
export function permitJson({ owner, holder, slots: held, priority, state, since }: PermitView): PermitJson {
  const jobId = jobOfOwner(owner);
  const key = jobId === null ? parseHolder(holder) : null;
  const isOfDag = key !== null && !owner.startsWith(NO_DAG);
  return {
    state,
    since: iso(since),
    slots: held,
    priority,
    dag_id: isOfDag ? owner : null,
    run_id: isOfDag ? key.run_id : null,
    task_id: key?.task_id ?? null,
    map_index: key?.map_index ?? null,
    job_id: jobId,
    owner,
    holder,
  };
}
