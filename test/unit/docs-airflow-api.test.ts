import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { openApiDocument, operationsOf } from "../../src/api/openapi.ts";
import { testRegistry } from "./api-support.ts";

const TEXT = readFileSync(join(import.meta.dirname, "../../docs/airflow-api.md"), "utf8");

/** The routes of a chapter's tables, as `GET /dags`, with what the last column says of them. */
function rowsOf(chapter: string): { route: string; note: string }[] {
  const start = TEXT.indexOf(`\n## ${chapter}\n`);
  const end = TEXT.indexOf("\n## ", start + 1);
  const lines = TEXT.slice(start, end === -1 ? undefined : end).split("\n");
  return lines.flatMap((line) => {
    const [, method, path, note] = /^\| ([A-Z]+) +\| `(\/\S*)` +\| (.*) *\|$/.exec(line) ?? [];
    return method === undefined || path === undefined ? [] : [{ route: `${method} ${path}`, note: note?.trim() ?? "" }];
  });
}

const PREFIX = "/api/v2";

function airflowRoutes(): string[] {
  const document = openApiDocument(createApi({ registry: testRegistry() }), "1.2.3");
  return operationsOf(document)
    .filter(({ path }) => path.startsWith(`${PREFIX}/`))
    .map(({ method, path }) => `${method.toUpperCase()} ${path.slice(PREFIX.length)}`);
}

describe("the page that lists Airflow's endpoints", () => {
  it("says of exactly the routes that there are that they are served", ({ expect }) => {
    const served = rowsOf("Served").map(({ route }) => route);
    expect(served.toSorted()).toEqual(airflowRoutes().toSorted());
  });

  it("gives a reason for every endpoint that is not served", ({ expect }) => {
    const unserved = rowsOf("Not served");
    expect(unserved.length).toBeGreaterThan(50);
    expect(unserved.filter(({ note }) => note === "")).toEqual([]);
  });

  it("lists no endpoint twice", ({ expect }) => {
    const all = [...rowsOf("Served"), ...rowsOf("Not served")].map(({ route }) => route);
    expect(new Set(all).size).toBe(all.length);
  });
});
