/**
 * The page at `/docs`: the OpenAPI document to read. It is plain HTML with one style sheet, and runs no script.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { aboutHtml, prose, REQUIRED, schemaHtml, typeHtml, type Html } from "./docs-page/schema-html.ts";
import { STYLE } from "./docs-page/style.ts";
import { answersOf, operationsOf, type OpenApiDocument, type Operation, type SchemaOrRef } from "./openapi.ts";

type Parameter = Exclude<NonNullable<Operation["parameters"]>[number], { $ref: string }>;
type Schemas = Record<string, SchemaOrRef>;
type Route = ReturnType<typeof operationsOf>[number];

/** Made in one piece: the policy holds for this text alone, without a space more. */
const STYLE_ELEMENT = raw(`<style>${STYLE}</style>`);

/** The policy of the page: its own style sheet, by hash, and nothing else. */
export function docsPagePolicy(): string {
  const hash = createHash("sha256").update(STYLE).digest("base64");
  return `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

/** A route that is there only to say why it is not served. */
function isAlwaysRefused({ operation }: Route): boolean {
  return Object.keys(answersOf(operation)).every((status) => Number(status) >= 400);
}

/** The page as HTML text. */
export async function docsPage(document: OpenApiDocument): Promise<string> {
  const { title, version, description } = document.info;
  const routes = operationsOf(document);
  const tags = (document.tags ?? []).map((tag) => ({
    ...tag,
    routes: routes
      .filter(({ operation }) => operation.tags?.includes(tag.name))
      .toSorted((left, right) => Number(isAlwaysRefused(left)) - Number(isAlwaysRefused(right))),
  }));
  const schemas = document.components?.schemas ?? {};
  const sorted = Object.entries(schemas).toSorted(([left], [right]) => (left < right ? -1 : 1));
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title} ${version}: the API</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <div class="layout">
          <nav aria-label="Contents">
            <ul>
              ${tags.map(({ name, routes: { length } }) => html`<li><a href="#tag-${name}">${name}</a> <span>${length}</span></li>`)}
              <li><a href="#schemas">Schemas</a> <span>${sorted.length}</span></li>
            </ul>
          </nav>
          <main>
            <h1>${title} <small>${version}</small></h1>
            ${(description ?? "").split("\n\n").map((text) => html`<p>${prose(text)}</p>`)}
            <p>
              ${routes.length} routes, and the same as <a href="/openapi.json">OpenAPI ${document.openapi}</a>. What is
              marked with${REQUIRED} is required.
            </p>
            ${tags.map(
              (tag) =>
                html`<section>
                  <h2 id="tag-${tag.name}">${tag.name}</h2>
                  <p class="soft">${prose(tag.description)}</p>
                  ${tag.routes.map((route) => routeHtml(route, schemas))}
                </section>`,
            )}
            <h2 id="schemas">Schemas</h2>
            ${sorted.map(
              ([name, schema]) =>
                html`<section class="schema" id="schema-${name}">
                  <h3>${name}</h3>
                  ${schemaHtml(schema)}
                </section>`,
            )}
          </main>
        </div>
      </body>
    </html> `;
  return (await page).toString();
}

function routeHtml({ method, path, operation }: Route, schemas: Schemas): Html {
  const { operationId, summary, description, security } = operation;
  const parameters = (operation.parameters ?? []).filter((each): each is Parameter => !("$ref" in each));
  return html`<details class="op">
    <summary>
      <span class="method ${method}">${method}</span> <span class="path">${path}</span>
      <span class="summary">${prose(summary)}</span>
    </summary>
    <div id="${operationId}">
      ${description === undefined ? "" : html`<p>${prose(description)}</p>`}
      <p class="soft">
        <code>${operationId}</code>${security?.length === 0 ? ", needs no key" : ""}
        <a href="#${operationId}" aria-label="Link to ${operationId}">#</a>
      </p>
      ${parameters.length === 0 ? "" : parametersHtml(parameters)} ${bodyHtml(operation, schemas)}
      ${responsesHtml(operation)}
    </div>
  </details>`;
}

function parametersHtml(parameters: Parameter[]): Html {
  const rows = parameters.map(
    ({ name, in: place, required, schema, description }) =>
      html`<tr>
        <td><code>${name}</code>${required === true ? REQUIRED : ""}</td>
        <td>${place}</td>
        <td class="type">${typeHtml(schema)}</td>
        <td>${description === undefined ? aboutHtml(schema) : prose(description)}</td>
      </tr>`,
  );
  return html`<h3>Parameters</h3>
    <table>
      <thead>
        <tr>
          <th>Name</th>
          <th>In</th>
          <th>Type</th>
          <th></th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

/** The fields of a body are shown where it is sent; those of an answer with its schema, which many routes share. */
function bodyHtml({ requestBody }: Operation, schemas: Schemas): Html {
  if (requestBody === undefined || "$ref" in requestBody) {
    return html``;
  }
  const { required, description, content } = requestBody;
  const shown = Object.values(content).map(({ schema }) => namedSchema(schema, schemas));
  return html`<h3>Body${required === true ? REQUIRED : ""}</h3>
    <p>${prose(description)}</p>
    ${contentHtml(content)} ${[...new Set(shown)].map((schema) => (schema === undefined ? "" : schemaHtml(schema)))}`;
}

function namedSchema(schema: SchemaOrRef | undefined, schemas: Schemas): SchemaOrRef | undefined {
  return schema !== undefined && "$ref" in schema ? schemas[schema.$ref.replace(/^.*\//, "")] : schema;
}

function responsesHtml(operation: Operation): Html {
  const rows = Object.entries(answersOf(operation)).map(
    ([status, { description, content }]) =>
      html`<tr>
        <td><code>${status}</code></td>
        <td>${prose(description)}</td>
        <td class="type">${contentHtml(content)}</td>
      </tr>`,
  );
  return html`<h3>Answers</h3>
    <table>
      <thead>
        <tr>
          <th>Status</th>
          <th></th>
          <th>Body</th>
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>`;
}

/** Media types with their schemas. That it is JSON goes without saying. */
function contentHtml(content: Record<string, { schema?: SchemaOrRef }> = {}): Html[] {
  return Object.entries(content).map(
    ([type, { schema }]) =>
      html`<div class="type">
        ${typeHtml(schema)}${type === "application/json" ? "" : html` <span class="soft">as ${type}</span>`}
      </div>`,
  );
}
