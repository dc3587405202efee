import { describe, it } from "vitest";
import { z } from "zod";
import { testApi } from "./api-support.ts";

const documentSchema = z.looseObject({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        security: z.array(z.unknown()).optional(),
        parameters: z.array(z.looseObject({ name: z.string(), in: z.string() })).optional(),
        responses: z.record(z.string(), z.unknown()),
      }),
    ),
  ),
  components: z.looseObject({ schemas: z.record(z.string(), z.looseObject({})) }),
});

async function readDocument() {
  const { body } = await testApi().send("GET", "/openapi.json", { key: null });
  return documentSchema.parse(body);
}

/** Every `$ref` in a value. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" ? [String(inner)] : refsIn(inner)));
}

const DAG = "/api/v2/dags/{dag_id}";

describe("/openapi.json", () => {
  it("is OpenAPI 3.1 and lists every route", async ({ expect }) => {
    const { openapi, paths } = await readDocument();
    expect(openapi).toBe("3.1.0");
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.toSorted()).toEqual(
      [
        "post /tasks/{name}",
        "post /tasks",
        "get /batches/{batch_id}",
        "get /jobs/{job_id}",
        "post /jobs/{job_id}/kill",
        "post /jobs/{job_id}/heartbeat",
        "post /webhooks/{dag_id}",
        "get /api/v2/version",
        "get /api/v2/monitor/health",
        "get /api/v2/dags",
        `get ${DAG}`,
        `patch ${DAG}`,
        `post ${DAG}/dagRuns`,
        `get ${DAG}/dagRuns`,
        `get ${DAG}/dagRuns/{dag_run_id}`,
        `get ${DAG}/dagRuns/{dag_run_id}/taskInstances`,
        `get ${DAG}/dagRuns/{dag_run_id}/taskInstances/{task_id}`,
        `get ${DAG}/dagRuns/{dag_run_id}/taskInstances/{task_id}/listMapped`,
        `get ${DAG}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}`,
        `get ${DAG}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}`,
      ].toSorted(),
    );
  });

  it("refers only to what it defines", async ({ expect }) => {
    const document = await readDocument();
    const defined = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    const used = [...new Set(refsIn(document))];
    expect(used.length).toBeGreaterThan(10);
    expect(used.filter((ref) => !defined.includes(ref))).toEqual([]);
  });

  it("marks what needs no key, and nothing else", async ({ expect }) => {
    const { paths } = await readDocument();
    const open = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).flatMap(({ security }) => (security?.length === 0 ? [path] : [])),
    );
    expect(open.toSorted()).toEqual(["/api/v2/monitor/health", "/api/v2/version", "/webhooks/{dag_id}"]);
  });

  it("says that the key logical_date is required and may be null", async ({ expect }) => {
    const { components } = await readDocument();
    expect(components.schemas["TriggerDAGRunPostBody"]).toMatchObject({
      required: ["logical_date"],
      properties: { logical_date: { type: ["string", "null"], format: "date-time" } },
      additionalProperties: false,
    });
  });

  it("describes the parameters of lists", async ({ expect }) => {
    const { paths } = await readDocument();
    expect(paths[`${DAG}/dagRuns`]?.["get"]?.parameters).toMatchObject([
      { name: "dag_id", in: "path", required: true },
      { name: "limit", in: "query", schema: { type: "integer", minimum: 0, default: 50 } },
      { name: "offset", in: "query", schema: { type: "integer", minimum: 0, default: 0 } },
      { name: "order_by", in: "query", schema: { type: "array", items: { type: "string" } } },
      {
        name: "state",
        in: "query",
        schema: { type: "array", items: { enum: ["queued", "running", "success", "failed"] } },
      },
    ]);
  });
});
