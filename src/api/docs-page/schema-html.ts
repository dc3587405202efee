/**
 * Schemas as HTML: types in words, fields in tables.
 *
 * @module
 */
import { html } from "hono/html";
import type { SchemaOrRef } from "../openapi.ts";

/** Text that is HTML already. Anything else is escaped where it is put into some. */
export type Html = ReturnType<typeof html>;
type Schema = Exclude<SchemaOrRef, { $ref: string }>;

/** Levels of objects within objects that one table shows. */
const MAX_LEVELS = 5;

/** Prose, with what stands between backquotes as code. */
export function prose(text: string | undefined): Html[] {
  return (text ?? "").split("`").map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : html`${part}`));
}

/** The type of a value, in words; named schemas are links. */
export function typeHtml(schema: SchemaOrRef | undefined): Html {
  if (schema === undefined) {
    return html`any JSON`;
  }
  if (isReference(schema)) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  const parts = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (parts !== undefined) {
    return joined(parts.map(typeHtml), schema.allOf === undefined ? " or " : " and ");
  }
  if (schema.enum !== undefined) {
    return joined(
      schema.enum.map((value) => html`<code>${JSON.stringify(value)}</code>`),
      " or ",
    );
  }
  const types = [schema.type ?? "any JSON"].flat();
  return joined(
    types.map((type) => (type === "array" ? html`list of ${typeHtml(schema.items)}` : html`${type}`)),
    " or ",
  );
}

function joined(parts: Html[], separator: string): Html {
  return html`${parts.map((part, index) => [index === 0 ? "" : separator, part])}`;
}

function isReference(schema: SchemaOrRef): schema is { $ref: string } {
  return "$ref" in schema;
}

interface Field {
  /** With the fields it lies in, such as `scheduler.status`. */
  name: string;
  isRequired: boolean;
  schema: SchemaOrRef;
}

/** The fields of an object, of the objects in them, and of lists of objects. */
function fieldsOf(schema: Schema, prefix = "", level = 1): Field[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => {
    const field = { name: prefix + key, isRequired: schema.required?.includes(key) === true, schema: inner };
    return level < MAX_LEVELS ? [field, ...innerFields(inner, field.name, level)] : [field];
  });
}

function innerFields(schema: SchemaOrRef, name: string, level: number): Field[] {
  if (isReference(schema)) {
    return [];
  }
  const parts = [...(schema.anyOf ?? []), ...(schema.allOf ?? []), ...(schema.oneOf ?? [])];
  return [
    ...fieldsOf(schema, `${name}.`, level + 1),
    ...parts.flatMap((part) => innerFields(part, name, level)),
    ...(schema.items === undefined ? [] : innerFields(schema.items, `${name}[]`, level)),
  ];
}

/** A table of the fields of an object, or its type if it has none. */
export function schemaHtml(schema: SchemaOrRef): Html {
  const fields = isReference(schema) ? [] : fieldsOf(schema);
  if (fields.length === 0) {
    return html`<p class="type">${typeHtml(schema)}</p>`;
  }
  const rows = fields.map(
    (field) =>
      html`<tr>
        <td><code>${field.name}</code>${field.isRequired ? REQUIRED : ""}</td>
        <td class="type">${typeHtml(field.schema)}</td>
        <td>${aboutHtml(field.schema)}</td>
      </tr>`,
  );
  return html`<table>
    <thead>
      <tr>
        <th>Field</th>
        <th>Type</th>
        <th></th>
      </tr>
    </thead>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}

/** Marks what must be there. */
export const REQUIRED = html`<span class="required" title="required"> *</span>`;

/** What a schema says beyond its type: its description and its limits. */
export function aboutHtml(schema: SchemaOrRef | undefined): Html {
  if (schema === undefined || isReference(schema)) {
    return html``;
  }
  const limits = LIMITS.flatMap(([key, words]) =>
    schema[key] === undefined ? [] : [html`${words} <code>${shown(schema[key])}</code>`],
  );
  const about = [...(schema.description === undefined ? [] : [html`${prose(schema.description)}`]), ...limits];
  return joined(about, "; ");
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

const LIMITS = [
  ["format", "format"],
  ["default", "unless given"],
  ["minimum", "from"],
  ["maximum", "up to"],
  ["minLength", "characters from"],
  ["maxLength", "characters up to"],
  ["minItems", "items from"],
  ["maxItems", "items up to"],
  ["pattern", "pattern"],
] as const satisfies readonly (readonly [keyof Schema, string])[];
