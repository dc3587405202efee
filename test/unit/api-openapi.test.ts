import { describe, it } from "vitest";
import { z } from "zod";
import { createApi } from "../../src/api/app.ts";
import { operationId } from "../../src/api/operation-id.ts";
import { testApi, testRegistry } from "./api-support.ts";

const operationSchema = z.looseObject({
  operationId: z.string(),
  tags: z.array(z.string()).min(1),
  summary: z.string().min(1),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z
    .array(
      z.looseObject({ name: z.string(), in: z.enum(["path", "query", "header"]), required: z.boolean().optional() }),
    )
    .default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), z.looseObject({ schema: z.unknown() })) }).optional(),
  responses: z.record(
    z.string().regex(/^[1-5]\d\d$/),
    z.looseObject({ description: z.string().min(1), content: z.record(z.string(), z.unknown()).optional() }),
  ),
});

const documentSchema = z.looseObject({
  openapi: z.string(),
  info: z.looseObject({ title: z.string(), version: z.string() }),
  tags: z.array(z.strictObject({ name: z.string(), description: z.string().optional() })),
  security: z.array(z.record(z.string(), z.array(z.string()))),
  paths: z.record(
    z.string().startsWith("/"),
    z.record(z.enum(["get", "post", "put", "patch", "delete"]), operationSchema.optional()),
  ),
  components: z.looseObject({
    schemas: z.record(z.string().regex(/^[\w.-]+$/), z.looseObject({})),
    securitySchemes: z.record(z.string(), z.looseObject({ type: z.string() })),
  }),
});

type Operation = z.output<typeof operationSchema>;

async function readDocument() {
  const { body } = await testApi().send("GET", "/openapi.json", { key: null });
  return documentSchema.parse(body);
}

async function readRoutes(): Promise<{ name: string; path: string; operation: Operation }[]> {
  const { paths } = await readDocument();
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation === undefined ? [] : [{ name: `${method} ${path}`, path, operation }],
    ),
  );
}

/** Every `$ref` in a value. */
function refsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) {
    return [];
  }
  return Object.entries(value).flatMap(([key, inner]) => (key === "$ref" ? [String(inner)] : refsIn(inner)));
}

/** Routes that are no part of the API: they describe it. */
const ABOUT = ["get /", "get /openapi.json", "get /docs"];

const DAG = "/api/v2/dags/{dag_id}";

describe("/openapi.json", () => {
  it("is OpenAPI 3.1 and has every route, and nothing else", async ({ expect }) => {
    expect((await readDocument()).openapi).toBe("3.1.0");
    const served = createApi({ registry: testRegistry() })
      .routes.filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    const described = (await readRoutes()).map(({ name }) => name);
    expect(described.length).toBeGreaterThan(20);
    expect(described.toSorted()).toEqual([...new Set(served)].filter((name) => !ABOUT.includes(name)).toSorted());
  });

  it("refers only to what it defines, and defines nothing that nobody refers to", async ({ expect }) => {
    const document = await readDocument();
    const defined = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    const used = [...new Set(refsIn(document))];
    expect(used.toSorted()).toEqual(defined.toSorted());
  });

  it("names every operation, each by another name that a program can have", async ({ expect }) => {
    const names = (await readRoutes()).map(({ operation }) => operation.operationId);
    expect(names.filter((name) => !/^[a-z][A-Za-z0-9]*$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has the parameters of every path, and no others in it", async ({ expect }) => {
    const wrong = (await readRoutes()).filter(({ path, operation }) => {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? "");
      const described = operation.parameters.filter((parameter) => parameter.in === "path");
      return (
        described.some(({ required }) => required !== true) ||
        JSON.stringify(described.map(({ name }) => name).toSorted()) !== JSON.stringify(inPath.toSorted())
      );
    });
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it("describes every tag that a route has, once", async ({ expect }) => {
    const names = (await readDocument()).tags.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const used = new Set((await readRoutes()).flatMap(({ operation }) => operation.tags));
    expect([...used].toSorted()).toEqual(names.toSorted());
  });

  it("gives no route two parameters of one name and place", async ({ expect }) => {
    const doubled = (await readRoutes()).filter(({ operation }) => {
      const places = operation.parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
      return new Set(places).size !== places.length;
    });
    expect(doubled.map(({ name }) => name)).toEqual([]);
  });

  it("describes an answer of every route, and a body of none that reads", async ({ expect }) => {
    const routes = await readRoutes();
    const empty = routes.filter(({ operation }) => Object.keys(operation.responses).length === 0);
    expect(empty.map(({ name }) => name)).toEqual([]);
    const reading = routes.filter(
      ({ name, operation }) => name.startsWith("get") && operation.requestBody !== undefined,
    );
    expect(reading.map(({ name }) => name)).toEqual([]);
  });
});

describe("keys in the document", () => {
  it("are asked for everywhere but where the API needs none", async ({ expect }) => {
    const open = (await readRoutes()).filter(({ operation }) => operation.security?.length === 0);
    expect(open.map(({ name }) => name).toSorted()).toEqual([
      "get /api/v2/monitor/health",
      "get /api/v2/version",
      "get /auth/token",
      "post /auth/token",
      "post /auth/token/cli",
      "post /webhooks/{dag_id}",
    ]);
  });

  it("are a bearer's API key or token, and where to get one", async ({ expect }) => {
    const { security, components } = await readDocument();
    expect(security.map((each) => Object.keys(each))).toEqual([["bearerAuth"], ["OAuth2PasswordBearer"]]);
    expect(components.securitySchemes).toMatchObject({
      bearerAuth: { type: "http", scheme: "bearer" },
      OAuth2PasswordBearer: { type: "oauth2", flows: { password: { tokenUrl: "/auth/token", scopes: {} } } },
    });
  });

  it("may be missing or not enough: every route that needs one says so", async ({ expect }) => {
    const silent = (await readRoutes()).filter(
      ({ operation }) =>
        operation.security?.length !== 0 && !("401" in operation.responses && "403" in operation.responses),
    );
    expect(silent.map(({ name }) => name)).toEqual([]);
  });
});

describe("descriptions made from what the routes check", () => {
  it("say that the key logical_date is required and may be null", async ({ expect }) => {
    const { components } = await readDocument();
    expect(components.schemas["TriggerDAGRunPostBody"]).toMatchObject({
      required: ["logical_date"],
      properties: {
        logical_date: { anyOf: [{ type: "string", format: "date-time" }, { type: "number" }, { type: "null" }] },
      },
      additionalProperties: false,
    });
  });

  it("have the parameters of lists", async ({ expect }) => {
    const { paths } = await readDocument();
    const parameters = paths[`${DAG}/dagRuns`]?.get?.parameters ?? [];
    const byName = Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter]));
    expect(byName).toMatchObject({
      dag_id: { in: "path", required: true },
      limit: { in: "query", schema: { type: "integer", minimum: 0, default: 50 } },
      offset: { in: "query", schema: { type: "integer", minimum: 0, default: 0 } },
      order_by: { in: "query", schema: { type: "array", items: { type: "string" } } },
      state: {
        in: "query",
        schema: { type: "array", items: { enum: ["queued", "running", "success", "failed", "none"] } },
      },
    });
  });
});

describe("names of operations", () => {
  it.for([
    ["GET", "/api/v2/dags", "getDags"],
    ["GET", "/api/v2/dags/{dag_id}", "getDag"],
    ["POST", "/api/v2/dags/{dag_id}/dagRuns", "postDagDagRuns"],
    [
      "GET",
      "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}",
      "getDagDagRunTaskInstanceByMapIndex",
    ],
    [
      "GET",
      "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/xcomEntries/{xcom_key}",
      "getDagDagRunTaskInstanceXcomEntry",
    ],
    ["GET", "/batches/{batch_id}", "getBatch"],
    ["GET", "/things/a-b/{x}", "getThingsAB"],
  ] as const)("%s %s is %s", ([method, path, name], { expect }) => {
    expect(operationId(method, path)).toBe(name);
  });
});
