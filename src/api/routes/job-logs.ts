/**
 * Logs of jobs: of tasks submitted alone or in bulk, and of long task instances by the job that watches them.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { parseMemberId } from "../../engine/batch-ids.ts";
import type { JobView } from "../../engine/work.ts";
import type { ApiDeps, ApiEnv, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { ulidInput } from "../ids.ts";
import { answerLog, logQuery, logResponses, type ReadLog } from "../log-answer.ts";
import { dagObject, findBatch, jobObject } from "../objects.ts";

const logRoute = createRoute({
  method: "get",
  path: "/jobs/{job_id}/logs",
  tags: ["Job"],
  summary: "Read the log of a job's present try, or of an earlier one",
  description: "As the log of a task instance is read.",
  request: {
    params: z.object({ job_id: ulidInput }),
    query: logQuery.extend({
      try_number: z
        .string()
        .regex(/^[1-9]\d{0,8}$/, "expected a try number: a whole number from 1")
        .transform(Number)
        .optional()
        .openapi({ type: "integer", minimum: 1, description: "The present try unless given" }),
    }),
  },
  responses: logResponses,
});

/** The route of logs of jobs. */
export function jobLogRoutes({ now }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(logRoute, async (c) => {
    const { job_id: jobId } = c.req.valid("param");
    const { try_number: asked, ...query } = c.req.valid("query");
    const { tryNumber, read } = await findLog(c.env, jobId, asked);
    return answerLog(c, query, [jobId, tryNumber], read, now);
  });
}

/** Where a job's log is: the batch that the id names, if it names one, its task instance's DAG, or its own object. */
async function findLog(
  env: ApiEnv,
  jobId: string,
  asked: number | undefined,
): Promise<{ tryNumber: number; read: ReadLog }> {
  const member = parseMemberId(jobId);
  const batch = member === null ? null : await findBatch(env, member.batchKey);
  if (member !== null && batch !== null) {
    const answer = await batch.getMember(member.index, 0);
    if (answer.ok || answer.refusal.code !== "not_found") {
      const tryNumber = asked ?? unwrap(answer).try_number;
      return { tryNumber, read: (from, waitMs) => batch.readMemberLog(member.index, tryNumber, from, waitMs) };
    }
  }
  const object = jobObject(env, jobId);
  const job = unwrap(await object.get(0));
  const tryNumber = asked ?? job.try_number;
  const own: ReadLog = (from, waitMs) => object.readLog(tryNumber, from, waitMs);
  return { tryNumber, read: watchedLog(env, job, tryNumber, own) ?? own };
}

/** The log of the task instance that a job watches; its end lies in the DAG, if that is still there. */
function watchedLog(env: ApiEnv, job: JobView, tryNumber: number, own: ReadLog): ReadLog | null {
  const { dag_id: dagId, run_id: runId, task_id: taskId, map_index: mapIndex } = job;
  if (dagId === null || runId === null || taskId === null || mapIndex === null) {
    return null;
  }
  const dag = dagObject(env, dagId);
  const key = { run_id: runId, task_id: taskId, map_index: mapIndex };
  return async (from, waitMs) => {
    const answer = await dag.readLog(key, tryNumber, from, waitMs);
    return !answer.ok && answer.refusal.code === "not_found" ? own(from, waitMs) : answer;
  };
}
