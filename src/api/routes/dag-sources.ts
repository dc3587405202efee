/**
 * Where a DAG comes from, in Airflow's path and fields: the spec that is stored, of the newest version or of an older one.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, errorSchema, notFound, unwrap } from "../errors.ts";
import { knownDag } from "../known-dag.ts";
import { integerQuery } from "../query.ts";
import { json, refusals } from "../responses.ts";
import { dagSourceSchema, dagSourceText } from "../schemas/dag-source.ts";

const sourceRoute = createRoute({
  method: "get",
  path: "/dagSources/{dag_id}",
  tags: ["DagSource"],
  summary: "Get the spec of a DAG, as JSON in a field or by Accept: text/plain as it is",
  request: { params: z.object({ dag_id: z.string() }), query: z.object({ version_number: integerQuery }) },
  responses: {
    200: {
      content: { "application/json": { schema: dagSourceSchema }, "text/plain": { schema: z.string() } },
      description: "The spec",
    },
    406: json(errorSchema, "Accept names neither"),
    ...refusals(401, 404, 422),
  },
});

/** The route of sources. */
export function dagSourceRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>().openapi(sourceRoute, async (c) => {
    const type = acceptedType(c.req.header("accept"));
    const { dag_id: dagId } = c.req.valid("param");
    const { version_number: wanted } = c.req.valid("query");
    const dag = await knownDag(registry, c.env, dagId);
    const newest = wanted === undefined ? unwrap(await dag.describe()).version : wanted;
    const version = await dag.getVersion(newest);
    if (!version.ok && version.refusal.code === "not_found") {
      throw notFound(`The source code of the DAG ${dagId}, version_number ${newest} was not found`);
    }
    const { spec } = unwrap(version);
    const content = dagSourceText(spec);
    return type === "text/plain"
      ? c.text(content, 200)
      : c.json({ content, dag_id: dagId, version_number: newest, dag_display_name: dagId }, 200);
  });
}

/** As Airflow reads the header: its beginning counts. @throws ApiError 406 for any other type. */
function acceptedType(accept = "*/*"): "application/json" | "text/plain" {
  if (accept.startsWith("*/*") || accept.startsWith("application/json")) {
    return "application/json";
  }
  if (accept.startsWith("text/plain")) {
    return "text/plain";
  }
  throw new ApiError(406, "Only application/json or text/plain is supported");
}
