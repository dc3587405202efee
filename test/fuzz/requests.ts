/**
 * Requests made from our own OpenAPI document: valid ones, ones with one thing wrong, and hostile ones.
 *
 * @module
 */
import fc from "fast-check";
import type { ApiDocument, Operation, Parameter } from "./document.ts";
import { EXAMPLES } from "./examples.ts";
import { anyText, anyValue, valueOf } from "./values.ts";

/** One request. */
export interface FuzzRequest {
  /** The operation it was made for, e.g. `POST /tasks/{name}`. */
  call: string;
  kind: "valid" | "nearly" | "hostile";
  method: string;
  /** Path and query, encoded. */
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array<ArrayBuffer> | null;
}

/** Ids of things that belong together, by the names that path parameters have. */
export type Ids = Readonly<Record<string, string>>;

/** What requests are made from. */
export interface Source {
  document: ApiDocument;
  /** Things that are there. */
  things: readonly Ids[];
  key: string;
  /** A token of a user who may only read. */
  viewer: string;
}

/** A request before it is written down, so that one thing of it can be made wrong. */
interface Draft {
  call: string;
  template: string;
  method: string;
  path: Record<string, string>;
  query: [string, string][];
  headers: Record<string, string>;
  /** Undefined: none. */
  value: unknown;
  /** Replaces the value's JSON. */
  raw?: string | Uint8Array<ArrayBuffer>;
}

type Change = (draft: Draft) => Draft;

/** Requests for one operation, of every kind. */
export function requestsFor(operation: Operation, source: Source): fc.Arbitrary<FuzzRequest> {
  const draft = validDraft(operation, source);
  return fc.oneof(
    { weight: 4, arbitrary: draft.map(write("valid")) },
    {
      weight: 4,
      arbitrary: fc.tuple(draft, oneChange(operation, source)).map(([one, change]) => write("nearly")(change(one))),
    },
    { weight: 3, arbitrary: hostileDraft(operation, draft).map(write("hostile")) },
  );
}

// ── valid ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Values of parameters that the document describes in words, or whose waiting must be short. */
const KNOWN_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  wait: ["0", "0.01"],
  interval: ["0.01", "0.02"],
  follow: ["false", "true"],
  order_by: [
    "id",
    "-id",
    "dag_id",
    "-dag_id",
    "run_id",
    "-run_after",
    "start_date",
    "map_index",
    "-state",
    "key",
    "task_id",
  ],
  update_mask: ["is_paused", "note", "state", "new_state"],
  limit: ["0", "1", "50", "100", "1000"],
  offset: ["0", "1", "100"],
  map_index: ["-1", "0", "1", "2", "3"],
  task_try_number: ["0", "1", "1", "2", "3"],
  try_number: ["0", "1", "1", "2", "3"],
  version_number: ["1", "2", "3", "99"],
  group_id: ["wrap_up", "none"],
  since: ["0", "1", "2", "99"],
};

function validDraft(operation: Operation, { document, things, key }: Source): fc.Arbitrary<Draft> {
  const queries = operation.parameters.filter((parameter) => parameter.in === "query");
  const path = fc
    .tuple(
      fc.constantFrom(...things),
      fc.record(
        Object.fromEntries(
          operation.parameters
            .filter((parameter) => parameter.in === "path" && KNOWN_PARAMETERS[parameter.name] !== undefined)
            .map(({ name }) => [name, fc.constantFrom(...(KNOWN_PARAMETERS[name] ?? []))]),
        ),
      ),
    )
    .map(([ids, numbers]) => ({ ...numbers, ...ids }));
  const query = fc
    .subarray(queries, { maxLength: Math.min(3, queries.length) })
    .chain((chosen) => fc.tuple(...withRequired(queries, chosen).map((parameter) => queryOf(parameter, document))))
    .map((pairs) => pairs.flat());
  const value = operation.body === null ? fc.constant(undefined) : bodyOf(operation, document);
  return fc.record({ path, query, value }).map((parts) => ({
    ...parts,
    call: operation.call,
    template: operation.path,
    method: operation.method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(operation.body === null ? {} : { "content-type": operation.body.type }),
    },
  }));
}

function withRequired(all: Parameter[], chosen: Parameter[]): Parameter[] {
  return [...new Set([...all.filter((parameter) => parameter.required), ...chosen])];
}

function queryOf({ name, schema }: Parameter, { schemas }: ApiDocument): fc.Arbitrary<[string, string][]> {
  const known = KNOWN_PARAMETERS[name];
  const values = known === undefined ? valueOf(schema, schemas) : fc.constantFrom(...known);
  return values.map((value) =>
    (Array.isArray(value) ? value : [value]).map((one): [string, string] => [name, asText(one)]),
  );
}

function asText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** By the schema alone a spec or a clear seldom means anything, so examples come in. */
function bodyOf(operation: Operation, { schemas }: ApiDocument): fc.Arbitrary<unknown> {
  const bySchema = valueOf(operation.body?.schema ?? {}, schemas);
  const examples = EXAMPLES[operation.call];
  return examples === undefined ? bySchema : fc.oneof(bySchema, fc.constantFrom(...examples));
}

// ── one thing wrong ───────────────────────────────────────────────────────────────────────────────────────────────

const STRANGE_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "PURGE", "get"];
const STRANGE_TYPES = [
  "text/plain",
  "application/xml",
  "application/json; charset=utf-16",
  "APPLICATION/JSON",
  "application/json, text/plain",
  "application/problem+json",
  "application/x-www-form-urlencoded",
  "multipart/form-data",
  "multipart/form-data; boundary=x",
  "application/octet-stream",
  "json",
  ";",
];
const STRANGE_KEYS = [
  "",
  "Bearer",
  "Bearer ",
  "Basic dGVzdDp0ZXN0",
  "Bearer x",
  "Bearer a.b.c",
  "bearer\ttest-key",
  "x".repeat(5000),
];

function oneChange({ parameters, body }: Operation, { viewer }: Source): fc.Arbitrary<Change> {
  const names = (place: string): string[] => parameters.filter((one) => one.in === place).map((one) => one.name);
  const changes: fc.Arbitrary<Change>[] = [
    fc
      .tuple(fc.constantFrom(...names("query"), "colour", "__proto__"), anyText)
      .map(([name, text]): Change => (draft) => ({ ...draft, query: [...draft.query, [name, text]] })),
    fc.constantFrom(...STRANGE_METHODS).map((method): Change => (draft) => ({ ...draft, method })),
    fc
      .constantFrom(...STRANGE_KEYS, `Bearer ${viewer}`, `Bearer ${viewer}x`)
      .map((authorization): Change => (draft) => ({
        ...draft,
        headers: { ...draft.headers, authorization },
      })),
    fc.constant<Change>((draft) => ({ ...draft, headers: without(draft.headers, "authorization") })),
  ];
  if (names("path").length > 0) {
    const change = fc.tuple(fc.constantFrom(...names("path")), anyText).map(([name, text]): Change => (draft) => ({
      ...draft,
      path: { ...draft.path, [name]: text },
    }));
    changes.push(change, change);
  }
  if (body !== null) {
    changes.push(valueChange, valueChange, valueChange, valueChange, textChange, textChange, typeChange);
  }
  return fc.oneof(...changes);
}

/** Another value, no value or one more at some place of the body. */
const valueChange: fc.Arbitrary<Change> = fc
  .tuple(
    fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
    fc.constantFrom("replace", "drop", "add"),
    anyValue,
    anyText,
  )
  .map(([places, what, value, name]): Change => (draft) => ({
    ...draft,
    value: changedAt(draft.value, places, what, value, name),
  }));

function changedAt(
  target: unknown,
  [place = 0, ...deeper]: number[],
  what: string,
  value: unknown,
  name: string,
): unknown {
  if (typeof target !== "object" || target === null) {
    return value;
  }
  const entries = Object.entries(target);
  const at = entries.length === 0 ? 0 : place % entries.length;
  const old = entries[at];
  if (what === "add" || old === undefined) {
    return rebuilt(target, [...entries, [name, value]]);
  }
  if (what === "drop") {
    return rebuilt(target, entries.toSpliced(at, 1));
  }
  const replaced = deeper.length === 0 ? value : changedAt(old[1], deeper, what, value, name);
  return rebuilt(target, entries.with(at, [old[0], replaced]));
}

/** A list or an object of these entries; they are defined one by one, so that a key "__proto__" is a key. */
function rebuilt(like: object, entries: [string, unknown][]): object {
  const copy: object = Array.isArray(like) ? [] : {};
  for (const [index, [key, value]] of entries.entries()) {
    const name = Array.isArray(like) ? String(index) : key;
    Object.defineProperty(copy, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

const BIG = JSON.stringify("x".repeat(1_100_000));
const LONG = JSON.stringify("x".repeat(140_000));

/** Texts that are no JSON, or no JSON that one wants. */
const textChange: fc.Arbitrary<Change> = fc
  .constantFrom<(json: string) => string | Uint8Array<ArrayBuffer>>(
    (json) => json.slice(0, -1),
    (json) => json.slice(0, json.length / 2),
    (json) => `${json}${json}`,
    (json) => `\ufeff${json}`,
    (json) => `${json},`,
    (json) => json.replaceAll('"', "'"),
    (json) => json.replace("{", '{"__proto__": {"polluted": true},'),
    (json) => json.replace("{", '{"constructor": {"prototype": {}},'),
    (json) => json.replace(/:\s*[^,}]*/, ": NaN"),
    (json) => json.replace(/:\s*[^,}]*/, ": 1e999"),
    (json) => json.replace(/:\s*[^,}]*/, ': "\\ud800"'),
    (json) => json.replace(/:\s*[^,}]*/, `: ${LONG}`),
    (json) => json.replace(/:\s*[^,}]*/, `: ${"[".repeat(200)}${"]".repeat(200)}`),
    (json) => json.replace(/:\s*[^,}]*/, ": 123456789012345678901234567890"),
    () => "",
    () => "null",
    () => "[]",
    () => '""',
    () => "\u0000",
    () => "[".repeat(100_000),
    () => '{"a":'.repeat(20_000),
    () => `{${Array.from({ length: 3000 }, (_, n) => `"k${n}":${n}`).join(",")}}`,
    () => new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0xc0, 0xaf, 0x7d]),
  )
  .map((change): Change => (draft) => ({ ...draft, raw: change(jsonOf(draft.value, draft.path)) }));

const typeChange: fc.Arbitrary<Change> = fc.constantFrom(...STRANGE_TYPES, null).map((type): Change => (draft) => ({
  ...draft,
  headers: { ...without(draft.headers, "content-type"), ...(type === null ? {} : { "content-type": type }) },
}));

function without(headers: Record<string, string>, name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));
}

// ── hostile ───────────────────────────────────────────────────────────────────────────────────────────────────────

function hostileDraft({ parameters, body }: Operation, draft: fc.Arbitrary<Draft>): fc.Arbitrary<Draft> {
  const names = parameters.filter((one) => one.in === "query").map((one) => one.name);
  const query = fc.array(fc.tuple(fc.oneof(anyText, fc.constantFrom("limit", ...names)), anyText), { maxLength: 4 });
  const path = fc.dictionary(
    fc.constantFrom("colour", ...parameters.filter((one) => one.in === "path").map((one) => one.name)),
    anyText,
    { minKeys: 1 },
  );
  const headers = fc.dictionary(
    fc.constantFrom("accept", "x-request-id", "idempotency-key", "cookie", "content-encoding", "origin", "range"),
    fc.constantFrom(
      "",
      "*/*",
      "text/html;q=0.9",
      "application/x-ndjson",
      "x".repeat(4000),
      "_token=a.b.c",
      "gzip",
      "null",
      "bytes=0-1",
    ),
    { maxKeys: 2 },
  );
  const raw = fc.oneof(
    { weight: 20, arbitrary: anyValue.map((value) => jsonOf(value)) },
    { weight: 2, arbitrary: anyText },
    { weight: 1, arbitrary: fc.constantFrom(BIG, LONG, "[".repeat(1_100_000)) },
  );
  const anyKindOf = fc.tuple(draft, query, path, headers, raw, fc.constantFrom(...STRANGE_METHODS), fc.nat({ max: 9 }));
  return anyKindOf.map(([one, odd, segments, more, text, method, dice]) => ({
    ...one,
    method: dice === 0 ? method : one.method,
    path: dice % 2 === 0 ? { ...one.path, ...segments } : one.path,
    query: [...(dice < 5 ? one.query : []), ...odd],
    headers: { ...one.headers, ...more },
    ...(body === null && dice > 0 ? {} : { raw: text }),
  }));
}

// ── writing down ──────────────────────────────────────────────────────────────────────────────────────────────────

function write(kind: FuzzRequest["kind"]): (draft: Draft) => FuzzRequest {
  return ({ call, template, method, path, query, headers, value, raw }) => {
    const filled = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => segment(path[name] ?? "none"));
    const pairs = query.map(([name, text]) => `${encode(name)}=${encode(text)}`);
    const hasBody = !["GET", "HEAD", "get"].includes(method) && (raw !== undefined || value !== undefined);
    return {
      call,
      kind,
      method,
      path: pairs.length === 0 ? filled : `${filled}?${pairs.join("&")}`,
      headers,
      body: hasBody
        ? (raw ?? (headers["content-type"]?.includes("form") === true ? formOf(value) : jsonOf(value, path)))
        : null,
    };
  };
}

/** A segment of a path; what looks encoded, or walks up, stays as it is. */
function segment(text: string): string {
  return /^[%.\w-]+$/.test(text) ? text : encode(text);
}

function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** JSON in which the text "$dag_run_id" stands for the run of the path. */
function jsonOf(value: unknown, path: Record<string, string> = {}): string {
  const json = JSON.stringify(value) ?? "";
  return json.replaceAll('"$dag_run_id"', JSON.stringify(path["dag_run_id"] ?? ""));
}

function formOf(value: unknown): string {
  const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
  return entries.map(([name, item]) => `${encode(name)}=${encode(asText(item))}`).join("&");
}
