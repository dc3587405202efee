/**
 * Submitting tasks: one, or many at once.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { batchKey, memberIds, parseMemberId } from "../../engine/batch-ids.ts";
import type { Json } from "../../engine/spec.ts";
import type { Submitted } from "../../engine/intake.ts";
import type { JobSubmission } from "../../engine/work.ts";
import { readEntries } from "../batch-entries.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, notFound, unwrap } from "../errors.ts";
import { chosenId, newJobId, newUlid, ulidInput } from "../ids.ts";
import { exceedsBytes, PAYLOAD_BYTES } from "../limits.ts";
import { suggestion } from "../nearest.ts";
import { findBatch, linkBatch } from "../objects.ts";
import { submissionsWaiting } from "../overload.ts";
import { body, json, refusals } from "../responses.ts";
import { startFields, startTime } from "../run-at.ts";
import { submitJob } from "../submissions.ts";
import { batchJson, batchSchema } from "../schemas/batch.ts";
import { jobJson, jobSchema } from "../schemas/job.ts";

/** Tasks one bulk submission may have. */
const MAX_BATCH = 10_000;

const IDEMPOTENCY = "The header `Idempotency-Key` may carry the id instead.";

const submitBody = z
  .strictObject({
    payload: z.unknown().optional().openapi({ description: "Any JSON value of at most 128 KiB" }),
    id: ulidInput.nullish().openapi({ description: "The job's id. The same id again is the same job" }),
    ...startFields,
  })
  .openapi("TaskSubmission");

const submittedSchema = jobSchema
  .extend({ created: z.boolean().openapi({ description: "False if the job was there already" }) })
  .openapi("SubmittedJob");

const submitRoute = createRoute({
  method: "post",
  path: "/tasks/{name}",
  tags: ["Task"],
  summary: "Submit one task",
  description: `Answers at once; the job is durable. ${IDEMPOTENCY}`,
  request: {
    params: z.object({ name: z.string() }),
    body: body(submitBody, "What to run, and when; the body may be left out"),
  },
  responses: {
    202: json(submittedSchema, "The job was made"),
    200: json(submittedSchema, "The job with this id was there already"),
    ...refusals(400, 401, 404, 409, 413, 415, 422),
  },
});

const entrySchema = z
  .strictObject({ name: z.string(), payload: z.unknown().optional(), ...startFields })
  .openapi("BatchEntry");

const bulkBody = z
  .strictObject({
    id: ulidInput.nullish().openapi({ description: "The batch's id. The same id again is the same batch" }),
    tasks: z
      .array(z.unknown())
      .min(1)
      .max(MAX_BATCH)
      .openapi({ type: "array", items: { $ref: "#/components/schemas/BatchEntry" } }),
  })
  .openapi("BulkSubmission");

const submittedBatchSchema = batchSchema
  .extend({ job_ids: z.array(z.string()).openapi({ description: "In the order of the submission" }) })
  .openapi("SubmittedBatch");

const bulkRoute = createRoute({
  method: "post",
  path: "/tasks",
  tags: ["Task"],
  summary: "Submit up to 10,000 tasks at once",
  description: `All of them or, if one does not fit, none. ${IDEMPOTENCY}`,
  request: { body: body(bulkBody, "What to run") },
  responses: { 202: json(submittedBatchSchema, "The batch is queued"), ...refusals(400, 401, 409, 413, 415, 422) },
});

/** Routes that submit tasks. */
export function taskRoutes({ registry, now }: ApiDeps) {
  const routes = new OpenAPIHono<AppEnv>();
  routes.openAPIRegistry.register("BatchEntry", entrySchema);
  return routes
    .openapi(submitRoute, async (c) => {
      const { name } = c.req.valid("param");
      const submission = c.req.valid("json");
      if (!registry.tasks.has(name)) {
        throw notFound(
          `expected the name of a registered task, got ${JSON.stringify(name)}${suggestion(name, registry.tasks)}`,
        );
      }
      // What came as JSON is JSON; a schema that walks it again would only cost time.
      const payload = (submission.payload ?? null) as Json;
      if (exceedsBytes(JSON.stringify(payload), PAYLOAD_BYTES)) {
        throw new ApiError(413, `expected a payload of at most ${PAYLOAD_BYTES} bytes of JSON, got more`);
      }
      const at = now();
      const id = chosenId(submission.id ?? undefined, c.req.header("idempotency-key"));
      const runAt = startTime(submission, at, ["body"]);
      const { job, created } = await submit(
        c,
        { job_id: id ?? newJobId(at, submissionsWaiting()), name, payload, runAt },
        id !== undefined,
      );
      if (job.name !== name) {
        throw new ApiError(
          409,
          `job ${job.id} exists and runs the task ${JSON.stringify(job.name)}, not ${JSON.stringify(name)}`,
        );
      }
      c.header("Location", `/jobs/${job.id}`);
      return c.json({ ...jobJson(job, now()), created }, created ? 202 : 200);
    })
    .openapi(bulkRoute, async (c) => {
      const { id, tasks } = c.req.valid("json");
      const at = now();
      const entries = readEntries(tasks, registry.tasks, at);
      const batchId = chosenId(id ?? undefined, c.req.header("idempotency-key")) ?? newUlid(at);
      const object = await linkBatch(c.env, batchKey(batchId));
      const batch = unwrap(await object.submitBatch(batchId, entries));
      c.header("Location", `/batches/${batchId}`);
      return c.json({ ...batchJson(batch), job_ids: memberIds(batchId, 0, batch.total) }, 202);
    });
}

async function submit(c: Context<AppEnv>, submission: JobSubmission, isChosen: boolean): Promise<Submitted> {
  // A chosen id may be that of a batch's member; then that is the job there is. It costs a call for one random id in 2^18.
  const member = isChosen ? parseMemberId(submission.job_id) : null;
  const batch = member === null ? null : await findBatch(c.env, member.batchKey);
  if (member !== null && batch !== null) {
    const found = await batch.getMember(member.index, 0);
    if (found.ok) {
      return { job: found.value, created: false };
    }
  }
  const waitUntil = (work: Promise<unknown>): void => c.executionCtx.waitUntil(work);
  return unwrap(await submitJob(c.env, submission, submissionsWaiting(), waitUntil));
}
