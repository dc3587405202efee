/**
 * The parts of a schema that are schemas themselves, and which of them a `$ref` leads to: by a pointer, an `$anchor` or
 * an `$id`. Nothing is fetched.
 *
 * @module
 */
import type { Json } from "../spec.ts";
import { UnusableSchema, type StepBudget } from "./budget.ts";

type SchemaObject = Record<string, Json>;

/** Keywords that hold a schema, a list of them, or schemas by name. */
const ONE = ["not", "if", "then", "else", "additionalProperties", "unevaluatedProperties", "propertyNames"];
const ONE_FOR_ITEMS = ["items", "unevaluatedItems", "contains"];
const LISTS = ["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED = ["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"];
/** Of them, those that are about the same value as the schema they stand in. */
const IN_PLACE = new Set(["not", "if", "then", "else", "allOf", "anyOf", "oneOf", "dependentSchemas"]);

/** A schema that has a name of its own, by which others refer to it and its parts. */
interface Resource {
  uri: string;
  root: Json;
  anchors: Map<string, SchemaObject>;
}

const NO_NAME = "schema:/";

/** Where the references of one schema lead. */
export class References {
  readonly #budget: StepBudget;
  readonly #resources = new Map<string, Resource>();
  /** All parts that are schemas, with the resource they belong to, in the order they were found. */
  readonly #parts = new Map<SchemaObject, Resource>();
  readonly #targets = new Map<SchemaObject, Json>();
  /** Says whether some part asks which properties or items no other part has looked at. */
  hasUnevaluated = false;

  /** @throws TooCostly if the schema has more parts than the budget allows. */
  constructor(schema: Json, budget: StepBudget) {
    this.#budget = budget;
    const resource: Resource = { uri: NO_NAME, root: schema, anchors: new Map() };
    this.#resources.set(NO_NAME, resource);
    this.#collect(schema, resource);
  }

  /** What the `$ref` of a part leads to. @throws UnusableSchema if that is nowhere. */
  target(part: SchemaObject, reference: string): Json {
    let target = this.#targets.get(part);
    if (target === undefined) {
      const resource = this.#parts.get(part);
      target = resource === undefined ? undefined : this.#find(reference, resource);
      if (target === undefined) {
        throw new UnusableSchema(`the $ref '${shortened(reference)}' leads nowhere`);
      }
      this.#targets.set(part, target);
    }
    return target;
  }

  /** The first `$ref` that leads nowhere; null if there is none. */
  firstLost(): string | null {
    // Parts that are found on the way are looked at too.
    for (const [part, resource] of this.#parts) {
      const { $ref: reference } = part;
      if (typeof reference === "string" && this.#find(reference, resource) === undefined) {
        return shortened(reference);
      }
    }
    return null;
  }

  /** Says whether some part applies itself again to the same value, without end. Every `$ref` must lead somewhere. */
  hasCircle(): boolean {
    const done = new Set<Json>();
    for (const start of this.#parts.keys()) {
      const open = new Set<Json>();
      const stack: { part: Json; isLeft: boolean }[] = [{ part: start, isLeft: false }];
      for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
        const { part, isLeft } = top;
        this.#budget.take(1);
        if (isLeft) {
          open.delete(part);
          done.add(part);
        } else if (open.has(part)) {
          return true;
        } else if (isObject(part) && !done.has(part)) {
          open.add(part);
          stack.push({ part, isLeft: true }, ...this.#inPlace(part).map((next) => ({ part: next, isLeft: false })));
        }
      }
    }
    return false;
  }

  #inPlace(part: SchemaObject): Json[] {
    const { $ref: reference } = part;
    const next = partsOf(part)
      .filter(({ keyword }) => IN_PLACE.has(keyword))
      .map(({ schema }) => schema);
    this.#budget.take(next.length + 1);
    return typeof reference === "string" ? [this.target(part, reference), ...next] : next;
  }

  /** Notes a schema and the schemas in it. */
  #collect(schema: Json, resource: Resource): void {
    const waiting: { schema: Json; resource: Resource }[] = [{ schema, resource }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const part = next.schema;
      if (!isObject(part) || this.#parts.has(part)) {
        continue;
      }
      const inner = this.#named(part, next.resource);
      this.#parts.set(part, inner);
      this.hasUnevaluated ||= "unevaluatedProperties" in part || "unevaluatedItems" in part;
      const parts = partsOf(part);
      this.#budget.take(4 + parts.length);
      for (const { schema: within } of parts.toReversed()) {
        waiting.push({ schema: within, resource: inner });
      }
    }
  }

  /** The resource of a part: its own if it has an `$id`, else that of the part around it. */
  #named(part: SchemaObject, around: Resource): Resource {
    const { $id: id, $anchor: anchor } = part;
    let resource = around;
    if (typeof id === "string") {
      const uri = resolved(id, around.uri)?.uri;
      if (uri !== undefined && uri !== around.uri) {
        resource = { uri, root: part, anchors: new Map() };
        if (!this.#resources.has(uri)) {
          this.#resources.set(uri, resource);
        }
      }
    }
    if (typeof anchor === "string") {
      resource.anchors.set(anchor, part);
    }
    return resource;
  }

  #find(reference: string, from: Resource): Json | undefined {
    this.#budget.take(20 + reference.length);
    const address = resolved(reference, from.uri);
    const resource = address === null ? undefined : this.#resources.get(address.uri);
    if (address === null || resource === undefined) {
      return undefined;
    }
    const { fragment } = address;
    if (fragment !== "" && !fragment.startsWith("/")) {
      return resource.anchors.get(fragment);
    }
    let current: Json | undefined = resource.root;
    let owner = resource;
    for (const step of fragment.split("/").slice(1)) {
      this.#budget.take(1);
      owner = (isObject(current) ? this.#parts.get(current) : undefined) ?? owner;
      const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
      current =
        typeof current === "object" && current !== null && Object.hasOwn(current, key)
          ? (Reflect.get(current, key) as Json)
          : undefined;
    }
    if (current !== undefined && typeof current !== "boolean" && !isObject(current)) {
      return undefined;
    }
    if (current !== undefined) {
      // A reference may make a schema of a part that stands where none is expected.
      this.#collect(current, owner);
    }
    return current;
  }
}

/** The schemas that stand directly in a schema, in its order of keywords. */
function partsOf(part: SchemaObject): { keyword: string; schema: Json }[] {
  const found: { keyword: string; schema: Json }[] = [];
  for (const keyword of [...ONE, ...ONE_FOR_ITEMS]) {
    const schema = part[keyword];
    if (isObject(schema)) {
      found.push({ keyword, schema });
    }
  }
  for (const keyword of [...LISTS, ...NAMED]) {
    const schemas = part[keyword];
    if (typeof schemas === "object" && schemas !== null && Array.isArray(schemas) === LISTS.includes(keyword)) {
      for (const schema of Object.values(schemas)) {
        if (isObject(schema)) {
          found.push({ keyword, schema });
        }
      }
    }
  }
  return found;
}

function isObject(value: Json | undefined): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A reference as an absolute address; null if it is none. */
function resolved(reference: string, base: string): { uri: string; fragment: string } | null {
  const [before = "", ...after] = reference.split("#");
  try {
    const uri = before === "" ? base : new URL(before, base).href;
    return { uri, fragment: decodeURIComponent(after.join("#")) };
  } catch {
    return null;
  }
}

function shortened(text: string): string {
  return text.length > 200 ? `${text.slice(0, 199)}…` : text;
}
