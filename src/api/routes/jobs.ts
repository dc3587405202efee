/**
 * Jobs: those of tasks submitted alone or in bulk, and those that watch a long task instance of a DAG run.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { parseMemberId } from "../../engine/batch-ids.ts";
import type { DagObject, JobReader, Result } from "../../engine/objects.ts";
import type { Json } from "../../engine/spec.ts";
import type { JobView, Progress } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { ApiError, unwrap } from "../errors.ts";
import { ulidInput } from "../ids.ts";
import { exceedsBytes, PROGRESS_BYTES } from "../limits.ts";
import { findBatch, jobObject } from "../objects.ts";
import { allowedWait } from "../long-polls.ts";
import { waitQuery } from "../query.ts";
import { readPayload } from "../payloads.ts";
import { optionalBody } from "../optional-body.ts";
import { body, json, refusals } from "../responses.ts";
import { jobJson, jobSchema } from "../schemas/job.ts";
import { whySchema } from "../schemas/why.ts";

const params = z.object({ job_id: ulidInput });

const getRoute = createRoute({
  method: "get",
  path: "/jobs/{job_id}",
  tags: ["Job"],
  summary: "Get a job, or wait for its end",
  request: { params, query: z.object({ wait: waitQuery }) },
  responses: { 200: json(jobSchema, "The job"), ...refusals(401, 404, 422) },
});

const killBody = z.strictObject({ reason: z.string().min(1).max(1000).optional() }).openapi("KillJob");

const killRoute = createRoute({
  method: "post",
  path: "/jobs/{job_id}/kill",
  tags: ["Job"],
  summary: "Kill a job",
  description:
    "A job that waits ends at once; a running one stops at its next heartbeat; one that is over stays as it is.",
  middleware: optionalBody,
  request: { params, body: body(killBody, "Why; the body may be left out") },
  responses: { 200: json(jobSchema, "The job as it is now"), ...refusals(400, 401, 404, 415, 422) },
});

const whyRoute = createRoute({
  method: "get",
  path: "/jobs/{job_id}/why",
  tags: ["Job"],
  summary: "Say in a sentence why a job is where it is",
  request: { params },
  responses: { 200: json(whySchema, "Why it is where it is"), ...refusals(401, 404, 422) },
});

const heartbeatBody = z
  .strictObject({
    step: z.string().max(1000).optional().openapi({ description: "Where the work is" }),
    fraction: z.number().min(0).max(1).optional().openapi({ description: "How far it is" }),
    data: z.unknown().optional().openapi({ description: "Any JSON value of at most 16 KiB" }),
  })
  .openapi("Heartbeat");

const heartbeatRoute = createRoute({
  method: "post",
  path: "/jobs/{job_id}/heartbeat",
  tags: ["Job"],
  summary: "Note the progress of a running job",
  description:
    "The runner beats for the task it runs; this adds how far it is, and keeps no attempt alive whose runner is silent. A body without fields leaves the progress as it is.",
  middleware: optionalBody,
  request: { params, body: body(heartbeatBody, "The progress; the body may be left out") },
  responses: { 200: json(jobSchema, "The job as it is now"), ...refusals(400, 401, 404, 409, 413, 415, 422) },
});

/** Routes of jobs. */
export function jobRoutes({ now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(getRoute, async (c) => {
      const wait = allowedWait(c.env, c.req.valid("query").wait);
      const job = await askJob(c.env, c.req.valid("param").job_id, {
        member: (batch, index) => batch.getMember(index, wait),
        alone: (object) => object.get(wait),
      });
      return c.json(jobJson(job, now()), 200);
    })
    .openapi(whyRoute, async (c) =>
      c.json(
        await ask(c.env, c.req.valid("param").job_id, {
          member: (batch, index) => batch.whyMember(index),
          alone: (object) => object.why(),
        }),
        200,
      ),
    )
    .openapi(killRoute, async (c) => {
      const { reason = "killed over the API" } = c.req.valid("json");
      const job = await askJob(c.env, c.req.valid("param").job_id, {
        member: (batch, index) => batch.killMember(index, reason),
        alone: (object) => object.kill(reason),
      });
      return c.json(jobJson(job, now()), 200);
    })
    .openapi(heartbeatRoute, async (c) => {
      const progress = readProgress(c.req.valid("json"));
      const job = await askJob(c.env, c.req.valid("param").job_id, {
        member: async (batch, index) => refuseMember(await batch.getMember(index, 0)),
        alone: (object) => object.heartbeat(progress),
      });
      return c.json(jobJson(job, now()), 200);
    });
}

/** A member of a bulk submission keeps no progress. */
function refuseMember(member: Result<JobView>): Result<JobView> {
  if (!member.ok) {
    return member;
  }
  const message = `expected a running job of its own, got a member of a bulk submission that is ${member.value.state}`;
  return { ok: false, refusal: { code: "conflict", message } };
}

interface Question<T> {
  member(batch: DagObject, index: number): Promise<Result<T>>;
  alone(job: JobReader): Promise<Result<T>>;
}

async function askJob(env: ApiEnv, jobId: string, question: Question<JobView>): Promise<JobView> {
  return withResult(env, await ask(env, jobId, question));
}

/** Asks the batch that the id names, if it names one, and the job's own object if there is no such member. */
async function ask<T>(env: ApiEnv, jobId: string, question: Question<T>): Promise<T> {
  const member = parseMemberId(jobId);
  const batch = member === null ? null : await findBatch(env, member.batchKey);
  if (member !== null && batch !== null) {
    const answer = await question.member(batch, member.index);
    if (answer.ok || answer.refusal.code !== "not_found") {
      return unwrap(answer);
    }
  }
  return unwrap(await question.alone(jobObject(env, jobId)));
}

/** A large result lies in the bucket. */
async function withResult(env: ApiEnv, job: JobView): Promise<JobView> {
  return job.result_r2 === undefined ? job : { ...job, result: await readPayload(env, job.result_r2) };
}

function readProgress({ step, fraction, data }: z.output<typeof heartbeatBody>): Progress | null {
  if (step === undefined && fraction === undefined && data === undefined) {
    return null;
  }
  if (data !== undefined && exceedsBytes(JSON.stringify(data), PROGRESS_BYTES)) {
    throw new ApiError(413, `expected data of at most ${PROGRESS_BYTES} bytes of JSON, got more`);
  }
  return {
    ...(step === undefined ? {} : { step }),
    ...(fraction === undefined ? {} : { fraction }),
    // What came as JSON is JSON.
    ...(data === undefined ? {} : { data: data as Json }),
  };
}
