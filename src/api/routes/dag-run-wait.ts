/**
 * Waiting for the end of a run, as a stream of lines.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { repeated } from "../query.ts";
import { refusals } from "../responses.ts";
import { byteStream, MAX_LOOKS, runStates } from "../run-stream.ts";

const MAX_INTERVAL_SECONDS = 3600;
const MAX_RESULTS = 100;
// Not a literal type: the framework takes such types that end in "json" for one JSON value.
const NDJSON: string = "application/x-ndjson";

const INTERVAL = `expected seconds over 0, at most ${MAX_INTERVAL_SECONDS}`;

const waitRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagRuns/{dag_run_id}/wait",
  tags: ["DagRun"],
  summary: "Wait for the end of a run, and get results",
  description: `One line of JSON each interval, and one at once when the run is over. If the run is deleted, or after ${MAX_LOOKS} looks at it, the stream ends with a state that is not final: ask again.`,
  request: {
    params: z.object({ dag_id: z.string(), dag_run_id: z.string() }),
    query: z.object({
      interval: z
        .string({ error: INTERVAL })
        .regex(/^(?:\d{1,6}(?:\.\d{0,9})?|\.\d{1,9})$/, INTERVAL)
        .transform(Number)
        .refine((seconds) => seconds > 0 && seconds <= MAX_INTERVAL_SECONDS, { error: INTERVAL })
        .openapi({
          type: "number",
          exclusiveMinimum: 0,
          maximum: MAX_INTERVAL_SECONDS,
          description: "Seconds between lines; less than a half counts as that",
        }),
      result: repeated
        .refine((taskIds) => taskIds.length <= MAX_RESULTS, { error: `expected at most ${MAX_RESULTS} tasks` })
        .openapi({
          description:
            "Tasks whose results the last line has; of a mapped task a list; null if they are too large to be had at once, which the line says in `errors`",
        }),
    }),
  },
  responses: {
    200: {
      content: {
        [NDJSON]: {
          schema: z
            .string()
            .openapi({ example: '{"state": "running"}\n{"state": "success", "results": {"total": 42}}\n' }),
        },
      },
      description: "The states, one to a line",
    },
    ...refusals(401, 404, 422),
  },
});

/** The route that waits for a run. */
export function dagRunWaitRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(waitRoute, async (c) => {
    const { dag_id: dagId, dag_run_id: runId } = c.req.valid("param");
    const { interval, result } = c.req.valid("query");
    const dag = await knownDag(registry, c.env, dagId);
    const run = unwrap(await dag.getRun(runId, 0));
    const pieces = runStates(c.env, dag, { run, intervalMs: Math.ceil(interval * 1000), taskIds: result });
    const headers = {
      "Cache-Control": "no-store",
      ...(takesLines(c.req.header("accept")) ? { "Content-Type": NDJSON } : {}),
    };
    return c.newResponse(byteStream(pieces), 200, headers);
  });
}

/**
 * Whether a caller takes lines by their name. Airflow names no type at all, and its own client, which asks for
 * application/json alone, reads an answer of no type as text and refuses one of this type.
 */
function takesLines(accept: string | undefined): boolean {
  return accept === undefined || accept.includes(NDJSON) || accept.includes("*/*") || !accept.includes("json");
}
