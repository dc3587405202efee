/**
 * Our own OpenAPI document as the generator of requests reads it.
 *
 * @module
 */
import { z } from "zod";

/** A JSON Schema, as far as the document uses it. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
}

export interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: Schema;
}

/** One method of one path. */
export interface Operation {
  /** e.g. `POST /tasks/{name}`. */
  call: string;
  method: string;
  path: string;
  parameters: Parameter[];
  /** Content type and schema of the body, or null if there is none. */
  body: { type: string; schema: Schema } | null;
}

/** The operations, and the schemas they refer to. */
export interface ApiDocument {
  operations: Operation[];
  schemas: Record<string, Schema>;
}

const schema = z.custom<Schema>((value) => typeof value === "object" && value !== null);
const operation = z.object({
  parameters: z
    .array(z.object({ name: z.string(), in: z.string(), required: z.boolean().default(false), schema }))
    .default([]),
  requestBody: z.object({ content: z.record(z.string(), z.object({ schema })) }).optional(),
});
const document = z.object({
  paths: z.record(z.string(), z.record(z.string(), operation)),
  components: z.object({ schemas: z.record(z.string(), schema) }),
});

/** Reads the document's JSON. */
export function readDocument(json: unknown): ApiDocument {
  const { paths, components } = document.parse(json);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([name, { parameters, requestBody }]): Operation => {
      const method = name.toUpperCase();
      const [content] = Object.entries(requestBody?.content ?? {});
      const body = content === undefined ? null : { type: content[0], schema: content[1].schema };
      return { call: `${method} ${path}`, method, path, parameters, body };
    }),
  );
  return { operations, schemas: components.schemas };
}
