/**
 * A client of the API with the types of its routes: paths, parameters, bodies and answers are checked by the compiler.
 *
 * @module
 */
import { hc } from "hono/client";
import type { ApiType } from "../api/app.ts";

/** How to reach the API. One of the proofs is needed for all but health and version. */
export interface ClientOptions {
  /** The API key. */
  apiKey?: string;
  /** A token of `POST /auth/token`, or what gives the present one. */
  token?: string | (() => string | Promise<string>);
  /** Sends the requests; the platform's own unless given. */
  fetch?: typeof fetch;
}

/** The client: a property per part of the path, `:dag_id` for a parameter, `$get` and the like for a method. */
export type Client = ReturnType<typeof hc<ApiType>>;

/**
 * Makes a client of the API at `baseUrl`. It answers as `fetch` does: a refusal is an answer, with `ok` false.
 *
 * @example
 * const jobbers = createClient("https://jobbers.example.workers.dev", { apiKey });
 * const answer = await jobbers.api.v2.dags[":dag_id"].dagRuns.$post({
 *   param: { dag_id: "prices" },
 *   json: { logical_date: null },
 * });
 * const run = answer.ok ? await answer.json() : null;
 */
export function createClient(baseUrl: string, { apiKey, token, fetch }: ClientOptions = {}): Client {
  const proof = token ?? apiKey;
  async function headers(): Promise<Record<string, string>> {
    const bearer = typeof proof === "function" ? await proof() : proof;
    return bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` };
  }
  return encoding(hc<ApiType>(baseUrl, { headers, ...(fetch !== undefined && { fetch }) }));
}

/**
 * The same client, with the parameters of paths encoded. Without this an id with a slash would be another path, and an
 * empty one would leave out a part: a patch of one DAG would be one of them all.
 */
function encoding<C extends object>(client: C): C {
  return new Proxy(client, {
    get(target, key, receiver) {
      const inner: unknown = Reflect.get(target, key, receiver);
      return typeof inner === "function" ? encoding(inner) : inner;
    },
    apply(target, self, [first, ...others]: unknown[]) {
      if (typeof target !== "function") {
        throw new TypeError("expected a method such as $get to be called");
      }
      const answer: unknown = Reflect.apply(target, self, [withEncodedParams(first), ...others]);
      return answer;
    },
  });
}

function withEncodedParams(args: unknown): unknown {
  if (typeof args !== "object" || args === null || !("param" in args)) {
    return args;
  }
  const param = Object.entries(args.param ?? {}).map(([name, value]) => [name, encodeSegment(name, String(value))]);
  return { ...args, param: Object.fromEntries(param) as Record<string, string> };
}

/** @throws TypeError if no path can have the value as a part: an empty one, or a step to another folder. */
function encodeSegment(name: string, value: string): string {
  if (value === "" || value === "." || value === "..") {
    throw new TypeError(`${name}: expected a text that can be part of a path, got ${JSON.stringify(value)}`);
  }
  return encodeURIComponent(value);
}
