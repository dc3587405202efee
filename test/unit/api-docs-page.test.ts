import { createHash } from "node:crypto";
import { describe, it } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { docsPage } from "../../src/api/docs-page.ts";
import { schemaHtml, typeHtml } from "../../src/api/docs-page/schema-html.ts";
import { operationsOf, type OpenApiDocument, type SchemaOrRef } from "../../src/api/openapi.ts";
import { testRegistry } from "./api-support.ts";

function testApp() {
  return createApi({ registry: testRegistry(), version: "1.2.3" });
}

async function readPage() {
  const response = await testApp().request("/docs", {}, {});
  return { response, text: await response.text() };
}

async function readDocument(): Promise<OpenApiDocument> {
  const response = await testApp().request("/openapi.json", {}, {});
  return response.json();
}

/** What each match of the pattern's first group is. */
function all(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

describe("/docs", () => {
  it("is a page that needs no key", async ({ expect }) => {
    const { response, text } = await readPage();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/html; charset=UTF-8");
    expect(text).toMatch(/^<!doctype html>/);
    expect(text).toContain("<title>Jobbers 1.2.3: the API</title>");
  });

  it("may load nothing but its own style sheet, whose hash is in its policy", async ({ expect }) => {
    const { response, text } = await readPage();
    const [style = "", ...others] = all(text, /<style>([^]*?)<\/style>/g);
    expect(others).toEqual([]);
    const hash = createHash("sha256").update(style).digest("base64");
    expect(response.headers.get("content-security-policy")).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(response.headers.get("x-frame-options")).toBe("DENY");
  });

  it("runs no script and asks no other host", async ({ expect }) => {
    const { text } = await readPage();
    expect(text).not.toMatch(/<script|<iframe|<img|<link|<form|\bstyle=|\son[a-z]+=|\bsrc=|javascript:/i);
    expect(all(text, /href="([^"]*)"/g).filter((href) => !href.startsWith("#"))).toEqual(["/openapi.json"]);
  });

  it("opens with tasks, and ends each part with what is always refused", async ({ expect }) => {
    const { text } = await readPage();
    const paths = all(text, /<span class="method \w+">(\w+ *<\/span> <span class="path">[^<]+)/g).map((one) =>
      one.replace(/<[^>]*>/g, ""),
    );
    expect(paths[0]).toBe("post /tasks/{name}");
    const login = paths.filter((path) => path.includes("/auth/token"));
    expect(login).toEqual(["post /auth/token", "post /auth/token/cli", "get /auth/token"]);
  });

  it("shows every route and every schema of the document", async ({ expect }) => {
    const { text } = await readPage();
    const document = await readDocument();
    expect(all(text, /<span class="path">([^<]*)<\/span>/g).toSorted()).toEqual(
      operationsOf(document)
        .map(({ path }) => path)
        .toSorted(),
    );
    expect(all(text, /id="schema-([^"]*)"/g)).toEqual(Object.keys(document.components?.schemas ?? {}).toSorted());
  });

  it("has links that lead somewhere, and no place twice", async ({ expect }) => {
    const { text } = await readPage();
    const places = all(text, /\sid="([^"]*)"/g);
    expect(new Set(places).size).toBe(places.length);
    const links = all(text, /href="#([^"]*)"/g);
    expect(links.length).toBeGreaterThan(places.length);
    expect(links.filter((link) => !places.includes(link))).toEqual([]);
  });

  it("shows the fields of a body where it is sent", async ({ expect }) => {
    const { text } = await readPage();
    const place = text.slice(text.indexOf('id="postDagDagRuns"'));
    expect(place.slice(0, place.indexOf("</details>"))).toContain("<code>logical_date</code>");
  });
});

describe("text of the document", () => {
  const HOSTILE = `<script>alert("1")</script>'&`;

  it("reaches the page as text, wherever it stands", async ({ expect }) => {
    const schema: SchemaOrRef = {
      type: "object",
      description: HOSTILE,
      properties: {
        [HOSTILE]: { type: "string", enum: [HOSTILE], description: HOSTILE },
        plain: { type: "string", pattern: HOSTILE, default: HOSTILE, format: HOSTILE },
        other: { $ref: `#/components/schemas/${HOSTILE}` },
      },
    };
    const page = await docsPage({
      openapi: "3.1.0",
      info: { title: HOSTILE, version: HOSTILE, description: `${HOSTILE}\n\n\`${HOSTILE}\`` },
      tags: [{ name: HOSTILE, description: HOSTILE }],
      paths: {
        [`/${HOSTILE}`]: {
          get: {
            operationId: HOSTILE,
            tags: [HOSTILE],
            summary: HOSTILE,
            description: HOSTILE,
            parameters: [{ name: HOSTILE, in: "query", description: HOSTILE, schema }],
            requestBody: { description: HOSTILE, content: { [HOSTILE]: { schema } } },
            responses: { 200: { description: HOSTILE, content: { [HOSTILE]: { schema } } } },
          },
        },
      },
      components: { schemas: { [HOSTILE]: schema } },
    });
    expect(page).not.toContain("<script");
    expect(page).not.toContain(HOSTILE);
    expect(page.split("&lt;script&gt;").length).toBeGreaterThan(20);
    expect(all(page, /="([^"]*)"/g).filter((value) => /[<>]/.test(value))).toEqual([]);
  });
});

describe("types in words", () => {
  const types: [SchemaOrRef, string][] = [
    [{ type: "string" }, "string"],
    [{ type: ["string", "null"], format: "date-time" }, "string or null"],
    [{ type: "array", items: { type: "integer" } }, "list of integer"],
    [
      { type: ["array", "null"], items: { $ref: "#/components/schemas/Tag" } },
      'list of <a href="#schema-Tag">Tag</a> or null',
    ],
    [{ anyOf: [{ $ref: "#/components/schemas/Tag" }, { type: "null" }] }, '<a href="#schema-Tag">Tag</a> or null'],
    [{ type: ["string", "null"], enum: ["a", null] }, "<code>&quot;a&quot;</code> or <code>null</code>"],
    [{}, "any JSON"],
  ];

  it.for(types)("%j is %s", async ([schema, words], { expect }) => {
    expect((await typeHtml(schema)).toString()).toBe(words);
  });

  it("objects within objects and lists have their fields in the same table", async ({ expect }) => {
    const inner: SchemaOrRef = { type: "object", properties: { id: { type: "integer" } }, required: ["id"] };
    const schema: SchemaOrRef = { type: "object", properties: { one: inner, many: { type: "array", items: inner } } };
    const text = (await schemaHtml(schema)).toString();
    expect(all(text, /<td>\s*<code>([^<]*)<\/code>/g)).toEqual(["one", "one.id", "many", "many[].id"]);
    expect(text.split('title="required"').length).toBe(3);
  });

  it("a schema that holds itself comes to an end", async ({ expect }) => {
    const schema: SchemaOrRef = { type: "object" };
    schema.properties = { again: schema };
    expect((await schemaHtml(schema)).toString()).toContain("again.again.again.again.again");
  });
});
