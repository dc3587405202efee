/**
 * The OpenAPI document, made from the routes.
 *
 * @module
 */
import type { Api } from "./env.ts";
import { operationId } from "./operation-id.ts";

/** The document, as the generator types it. */
export type OpenApiDocument = ReturnType<Api["getOpenAPI31Document"]>;
/** A schema of the document, or a reference to one. */
export type SchemaOrRef = NonNullable<NonNullable<OpenApiDocument["components"]>["schemas"]>[string];
type PathItem = NonNullable<OpenApiDocument["paths"]>[string];

/** Methods of routes, in the order in which documents show them. */
export const METHODS = ["get", "post", "put", "patch", "delete"] as const;
/** One route, as the document describes it. */
export type Operation = NonNullable<PathItem[(typeof METHODS)[number]]>;

const BEARER = "bearerAuth";
const PASSWORD_FLOW = "OAuth2PasswordBearer";

/** What each tag is about. Those that come first in the document stand here; further ones of routes follow. */
const TAGS: Record<string, string> = {
  Task: "Single tasks, one or thousands at once.",
  Job: "What became of them, and of every task that takes longer.",
  Webhook: "Signed deliveries of others that start runs.",
  Monitor: "Whether the service lives, and which one it is.",
  DAG: "DAGs, and registering them over HTTP.",
  DagRun: "Runs: trigger, watch, wait, clear, mark, delete.",
  TaskInstance: "Task instances of runs: watch, clear, mark, delete.",
  XCom: "Values that task instances leave for others.",
  Pool: "Slots that task instances share, and who holds them.",
  Login: "Tokens of limited life, for users and for holders of the API key.",
};

const DESCRIPTION = `Tasks and DAG runs on Cloudflare Workers. Under /api/v2 are Airflow's paths and fields; beside it
stands what Airflow has no word for.

Send the API key, or a token, as \`Authorization: Bearer …\`. \`POST /auth/token\` gives a token for name and password.
Errors are \`{"detail": "…"}\`, or a list that says where, what was expected, and what came.`;

/** The document of all routes of `app`. */
export function openApiDocument(app: Api, version: string): OpenApiDocument {
  registerSecurity(app);
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Jobbers",
      version,
      description: DESCRIPTION,
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    security: [{ [BEARER]: [] }, { [PASSWORD_FLOW]: [] }],
  });
  for (const { method, path, operation } of operationsOf(document)) {
    operation.operationId ??= operationId(method, path);
    if (operation.security?.length !== 0) {
      operation.responses = { ...REFUSED, ...answersOf(operation) };
    }
  }
  document.tags = tagsOf(document);
  return document;
}

function registerSecurity(app: Api): void {
  app.openAPIRegistry.registerComponent("securitySchemes", BEARER, {
    type: "http",
    scheme: "bearer",
    bearerFormat: "API key or JWT",
    description: "The API key, or a token that POST /auth/token gave.",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", PASSWORD_FLOW, {
    type: "oauth2",
    description: "A token for a user's name and password.",
    flows: { password: { tokenUrl: "/auth/token", scopes: {} } },
  });
}

/** One answer of a route, as the document describes it. */
export interface Answer {
  description: string;
  content?: Record<string, { schema?: SchemaOrRef }>;
}

/** The answers of a route, by status. */
export function answersOf(operation: Operation): Record<string, Answer> {
  // Routes describe each answer where it is given; a reference to one would be a new thing.
  return operation.responses ?? {};
}

const ERROR = { "application/json": { schema: { $ref: "#/components/schemas/Error" } } };

/** What every route may answer that needs a key. */
const REFUSED: Record<string, Answer> = {
  401: { description: "No API key or token, or a wrong one", content: ERROR },
  403: { description: "The caller's role may not do this", content: ERROR },
};

/** Every route of the document, in its order. */
export function operationsOf(document: OpenApiDocument): { method: string; path: string; operation: Operation }[] {
  return Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation === undefined ? [] : [{ method, path, operation }];
    }),
  );
}

function tagsOf(document: OpenApiDocument): { name: string; description?: string }[] {
  const used = new Set(operationsOf(document).flatMap(({ operation }) => operation.tags ?? []));
  const names = [...Object.keys(TAGS).filter((name) => used.has(name)), ...[...used].filter((name) => !(name in TAGS))];
  return names.map((name) => ({ name, ...(TAGS[name] !== undefined && { description: TAGS[name] }) }));
}
