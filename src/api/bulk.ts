/**
 * Airflow's bulk requests: a list of actions, each over many entities, answered by what succeeded and what did not.
 * One entity that fails stops no other.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ApiError } from "./errors.ts";
import { isPlatformError } from "../engine/platform-errors.ts";

/** Entities that one request may name: each costs a call of an object. */
export const MAX_ENTITIES = 500;
/** Actions of one request: each may be answered by an error of its own, whatever it names. */
export const MAX_ACTIONS = 500;

const outcomeSchema = z
  .object({
    success: z.array(z.string()).openapi({ description: "Keys of the entities that succeeded" }),
    errors: z
      .array(z.object({ error: z.string(), status_code: z.number().int() }))
      .openapi({ description: "What the others were refused with" }),
  })
  .openapi("BulkActionResponse");

/** What became of the entities of one kind of action. */
export type BulkOutcome = z.infer<typeof outcomeSchema>;

export const bulkResponseSchema = z
  .object({
    create: outcomeSchema.nullable(),
    update: outcomeSchema.nullable(),
    delete: outcomeSchema.nullable(),
  })
  .openapi("BulkResponse");

/** The answer to a bulk request: null for what was not asked for. */
export type BulkResponse = z.infer<typeof bulkResponseSchema>;

const onNonExistence = z
  .enum(["fail", "skip"])
  .default("fail")
  .openapi({ description: "`skip`: an entity that does not exist is no error" });

/** The body of a bulk request over entities of one kind; `name` is how the document calls that kind. */
export function bulkBody<E extends z.ZodType>(entity: E, name: string) {
  const create = z
    .strictObject({
      action: z.literal("create"),
      entities: z.array(entity),
      action_on_existence: z.enum(["fail", "skip", "overwrite"]).default("fail"),
    })
    .openapi(`BulkCreateAction_${name}_`);
  const update = z
    .strictObject({
      action: z.literal("update"),
      entities: z.array(entity),
      update_mask: z
        .array(z.string())
        .nullish()
        .openapi({ description: "Only these fields of the entities count; others are ignored" }),
      action_on_non_existence: onNonExistence,
    })
    .openapi(`BulkUpdateAction_${name}_`);
  const remove = z
    .strictObject({
      action: z.literal("delete"),
      entities: z.array(z.union([z.string(), entity], { error: "expected an id, or an object that names the entity" })),
      action_on_non_existence: onNonExistence,
    })
    .openapi(`BulkDeleteAction_${name}_`);
  return z
    .strictObject({
      actions: z
        .array(z.discriminatedUnion("action", [create, update, remove]))
        .max(MAX_ACTIONS, `expected at most ${MAX_ACTIONS} actions in one request`),
    })
    .refine(({ actions }) => actions.reduce((sum, { entities }) => sum + entities.length, 0) <= MAX_ENTITIES, {
      path: ["actions"],
      error: `expected at most ${MAX_ENTITIES} entities in one request`,
    })
    .openapi(`BulkBody_${name}_`);
}

/** One action of a bulk request over entities of type `E`, as `bulkBody` reads it. */
export type BulkAction<E> =
  | { action: "create"; entities: readonly E[]; action_on_existence: "fail" | "skip" | "overwrite" }
  | {
      action: "update";
      entities: readonly E[];
      update_mask?: readonly string[] | null | undefined;
      action_on_non_existence: "fail" | "skip";
    }
  | { action: "delete"; entities: readonly (string | E)[]; action_on_non_existence: "fail" | "skip" };

/**
 * How the entities of one resource are treated. Each method does one entity and answers the keys that succeeded, of
 * which there may be several or none; what it throws as an ApiError is that entity's error.
 */
export type BulkHandlers<E> = BulkCreator<E> & {
  update(entity: E, mask: readonly string[] | null): Promise<string[]>;
  /** A string names the entity by its id alone. */
  delete(entity: string | E): Promise<string[]>;
};

/** How entities are made, or the text that every bulk create is refused with, as 405: Airflow makes no runs and task instances so. */
type BulkCreator<E> =
  | { createRefusal: string }
  | {
      /** One that exists is a 409, unless it is to be overwritten. */
      create(entity: E, isOverwriting: boolean): Promise<string[]>;
    };

/** Does all actions of a bulk request in their order, one entity after the other. */
export async function runBulk<E>(actions: readonly BulkAction<E>[], handlers: BulkHandlers<E>): Promise<BulkResponse> {
  const response: BulkResponse = { create: null, update: null, delete: null };
  for (const action of actions) {
    const outcome = (response[action.action] ??= { success: [], errors: [] });
    // One after the other: a later entity may be the same one again.
    switch (action.action) {
      case "create":
        if ("createRefusal" in handlers) {
          outcome.errors.push({ error: handlers.createRefusal, status_code: 405 });
          break;
        }
        for (const entity of action.entities) {
          const { action_on_existence: onExistence } = action;
          await attempt(outcome, onExistence === "skip" ? 409 : null, () =>
            handlers.create(entity, onExistence === "overwrite"),
          );
        }
        break;
      case "update":
        for (const entity of action.entities) {
          const mask = action.update_mask ?? null;
          await attempt(outcome, action.action_on_non_existence === "skip" ? 404 : null, () =>
            handlers.update(entity, mask),
          );
        }
        break;
      case "delete":
        for (const entity of action.entities) {
          await attempt(outcome, action.action_on_non_existence === "skip" ? 404 : null, () => handlers.delete(entity));
        }
        break;
    }
  }
  return response;
}

/** Does one entity; a refusal with the status `skipped` is no error. */
async function attempt(outcome: BulkOutcome, skipped: number | null, work: () => Promise<string[]>): Promise<void> {
  try {
    outcome.success.push(...(await work()));
  } catch (error) {
    if (error instanceof ApiError) {
      if (error.status !== skipped) {
        outcome.errors.push({ error: error.message, status_code: error.status });
      }
    } else if (isPlatformError(error)) {
      outcome.errors.push({
        error: "a part of the service is restarting or overloaded; try again",
        status_code: 503,
      });
    } else {
      throw error;
    }
  }
}
