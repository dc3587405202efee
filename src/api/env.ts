/**
 * What the API needs from outside: bindings of the Worker, and what the code registered.
 *
 * @module
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ObjectNamespace, Places } from "../isolate/place.ts";
import type { Service } from "../isolate/service.ts";
import type { AnyTaskDefinition, DagDefinition } from "../sdk/index.ts";

/** The bindings the API reads. Webhook secrets are further bindings, under the names that the DAGs' specs give. */
export interface ApiEnv extends Places {
  DAG: ObjectNamespace;
  INTAKE: ObjectNamespace;
  CATALOG: ObjectNamespace;
  POOL: ObjectNamespace;
  LOGIN_GUARD: ObjectNamespace;
  /** Which queues there are: see `engine/queues.ts`. */
  QUEUES?: unknown;
  JOBBERS_API_KEY?: string | undefined;
  /** Only `npm start` sets it, which sweeps this one isolate every minute. */
  JOBBERS_ORDER_TOKEN?: string | undefined;
  /** Users by name, as JSON. */
  JOBBERS_USERS?: string | undefined;
  /** What tokens are signed with; the API key if it is not given. */
  JOBBERS_JWT_SECRET?: string | undefined;
  /** Origins whose pages may call, with commas between them. */
  JOBBERS_CORS_ORIGINS?: string | undefined;
  /** How many seconds `?wait=` waits at most: 25 unless it is given. */
  JOBBERS_MAX_WAIT_S?: string | undefined;
  /** Where values lie that are too large for an object's rows. */
  PAYLOADS?: Payloads | undefined;
}

/** The bucket of large values, as far as the API uses it. */
export interface Payloads {
  get(key: string): Promise<{ text(): Promise<string> } | null>;
  put(key: string, value: string, options: { httpMetadata: { contentType: string } }): Promise<unknown>;
  delete(key: string): Promise<void>;
}

/** Types of a request's context. */
export interface AppEnv {
  Bindings: ApiEnv;
  /** `caller` is there on every route that needs a key. */
  Variables: { requestId: string; caller: Caller };
}

/** Who sent a request that needs a key. */
export interface Caller {
  /** Name of the user, or null for a bearer of the API key. */
  name: string | null;
  /** `viewer` may read; every other role may write too. */
  role: "viewer" | "user" | "op" | "admin";
}

/** What the code registered, as far as the API looks at it. */
export interface ApiRegistry {
  dags: ReadonlyMap<string, Pick<DagDefinition, "spec" | "toConf">>;
  tasks: ReadonlyMap<string, Pick<AnyTaskDefinition, "operator">>;
}

/** What `createApi` is made from. */
export interface ApiDeps {
  registry: ApiRegistry;
  /** Version that `GET /api/v2/version` answers. */
  version: string;
  /** Epoch milliseconds. */
  now: () => number;
  /** Whether the isolate takes anything new. */
  service: Service;
}

/** A group of routes. */
export type Api = OpenAPIHono<AppEnv>;

/**
 * The text of a binding that holds a secret, or null if there is none by that name, or an empty one.
 * Reads strings only, so that no other binding can be mistaken for a secret.
 */
export function readSecret(env: object, name: string): string | null {
  const value: unknown = Object.hasOwn(env, name) ? Reflect.get(env, name) : undefined;
  return typeof value === "string" && value !== "" ? value : null;
}
