/**
 * The OpenAPI document, made from the routes.
 *
 * @module
 */
import type { Api } from "./env.ts";

const KEY = "bearerAuth";

/** The document as JSON text. */
export function openApiText(app: Api, version: string): string {
  app.openAPIRegistry.registerComponent("securitySchemes", KEY, { type: "http", scheme: "bearer" });
  const document = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Jobbers",
      version,
      description:
        "Tasks and DAG runs on Cloudflare Workers. Under /api/v2 are Airflow's paths and fields; beside it what Airflow has no word for.",
      license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
    },
    security: [{ [KEY]: [] }],
  });
  return JSON.stringify(document);
}
