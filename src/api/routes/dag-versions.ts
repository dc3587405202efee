/**
 * Versions of DAGs, in Airflow's paths and fields.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { DagObject, DagVersionView, Page, Result } from "../../engine/objects.ts";
import { diffSpecs } from "../../engine/spec-diff.ts";
import { dagSpecSchema } from "../../engine/spec.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { unwrap } from "../errors.ts";
import { compareBy, gather, type Part } from "../gather.ts";
import { ALL, knownDag, knownDagIds, requireDag } from "../known-dag.ts";
import { dagObject } from "../objects.ts";
import { integerQuery, pageQuery, refuseUnservedFilters, repeated, sortKeys } from "../query.ts";
import { json, refusals } from "../responses.ts";
import {
  dagVersionChangesSchema,
  dagVersionCollectionSchema,
  dagVersionJson,
  dagVersionSchema,
} from "../schemas/dag-version.ts";
import { Unavailable } from "../unavailable.ts";

const UNSERVED: ReadonlySet<string> = new Set(["bundle_name", "bundle_version"]);

const listRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagVersions",
  tags: ["DagVersion"],
  summary: "List the versions of a DAG, or with ~ of all DAGs",
  request: {
    params: z.object({ dag_id: z.string() }),
    query: z.object({
      ...pageQuery,
      version_number: integerQuery,
      order_by: repeated.openapi({ description: "id or version_number; `-` before it for descending" }),
    }),
  },
  responses: { 200: json(dagVersionCollectionSchema, "A page of versions"), ...refusals(400, 401, 404, 422) },
});

const versionParams = z.object({
  dag_id: z.string(),
  version_number: z
    .string()
    .regex(/^-?\d{1,9}$/, "expected a whole number")
    .transform(Number)
    .openapi({ type: "integer" }),
});

const changesRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagVersions/{version_number}/changes",
  tags: ["DagVersion"],
  summary: "Get what changed between two versions of a DAG",
  description: "Not an endpoint of Airflow's. Values are those of the specs, with their defaults.",
  request: {
    params: versionParams,
    query: z.object({
      since: z
        .string()
        .regex(/^\d{1,9}$/, "expected the number of a version, or 0")
        .transform(Number)
        .optional()
        .openapi({
          type: "integer",
          minimum: 0,
          description: "The version to compare with; the one before unless it is given. 0: a DAG without anything",
        }),
    }),
  },
  responses: { 200: json(dagVersionChangesSchema, "The changes"), ...refusals(401, 404, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: "/dags/{dag_id}/dagVersions/{version_number}",
  tags: ["DagVersion"],
  summary: "Get a version of a DAG",
  request: { params: versionParams },
  responses: { 200: json(dagVersionSchema, "The version"), ...refusals(401, 404, 422) },
});

/** Routes of versions. */
export function dagVersionRoutes({ registry }: ApiDeps) {
  return new OpenAPIHono<AppEnv>()
    .openapi(listRoute, async (c) => {
      refuseUnservedFilters(c, UNSERVED);
      const { version_number: wanted, order_by: orderBy, ...page } = c.req.valid("query");
      const { dag_id: dagId } = c.req.valid("param");
      // Ids grow with the time a version was made, and in one DAG its number does too.
      const keys = sortKeys(orderBy, ["id", "version_number"]);
      const isDescending = keys[0]?.startsWith("-") === true;
      if (dagId !== ALL) {
        await requireDag(registry, c.env, dagId);
      }
      const ids = dagId === ALL ? await knownDagIds(registry, c.env) : [dagId];
      const parts = ids.map((id) => partOf(id, dagObject(c.env, id), wanted, isDescending));
      const unavailable = dagId === ALL ? new Unavailable() : undefined;
      const [key = "id"] = keys;
      const compare = compareBy([key, isDescending ? "-dag_id" : "dag_id"], sortValue);
      const versions = await gather(parts, compare, page, unavailable);
      return c.json(
        {
          dag_versions: versions.items.map((one) => dagVersionJson(one.dag_id, one.version_number, one.created_at)),
          total_entries: versions.total,
          ...unavailable?.field(),
        },
        200,
      );
    })
    .openapi(getRoute, async (c) => {
      const { dag_id: dagId, version_number: version } = c.req.valid("param");
      const { created_at: createdAt } = unwrap(await (await knownDag(registry, c.env, dagId)).getVersion(version));
      return c.json(dagVersionJson(dagId, version, createdAt), 200);
    })
    .openapi(changesRoute, async (c) => {
      const { dag_id: dagId, version_number: version } = c.req.valid("param");
      const { since = version - 1 } = c.req.valid("query");
      const dag = await knownDag(registry, c.env, dagId);
      const after = unwrap(await dag.getVersion(version));
      const before =
        since === 0 ? dagSpecSchema.parse({ dag_id: EMPTY, tasks: [] }) : unwrap(await dag.getVersion(since)).spec;
      // One DAG: its id is not what changed.
      const changes = diffSpecs({ ...before, dag_id: after.spec.dag_id }, after.spec);
      return c.json({ dag_id: dagId, version_number: version, since, ...changes }, 200);
    });
}

/** Id of a DAG of which nothing is known. */
const EMPTY = "empty";

/** The versions of one DAG, or the one of a number. */
function partOf(
  dagId: string,
  dag: DagObject,
  wanted: number | undefined,
  isDescending: boolean,
): Part<DagVersionView> {
  return {
    dagId,
    read: (limit, offset) =>
      wanted === undefined ? dag.listVersions(limit, offset, isDescending) : oneVersion(dag, wanted, limit, offset),
  };
}

async function oneVersion(
  dag: DagObject,
  wanted: number,
  limit: number,
  offset: number,
): Promise<Result<Page<DagVersionView>>> {
  const version = await dag.getVersion(wanted);
  if (!version.ok) {
    return version;
  }
  const { dag_id, version_number, created_at } = version.value;
  return {
    ok: true,
    value: { items: [{ dag_id, version_number, created_at }].slice(offset, offset + limit), total: 1 },
  };
}

function sortValue(version: DagVersionView, field: string): string | number {
  switch (field) {
    case "version_number":
      return version.version_number;
    case "dag_id":
      return version.dag_id;
    default:
      return version.created_at;
  }
}
