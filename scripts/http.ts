/**
 * Calls to a server over kept-alive connections. Node's `fetch` costs about a millisecond a call, which is more than
 * what is measured with this.
 *
 * @module
 */
import { Agent, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { Agent as SecureAgent, request as secureRequest } from "node:https";

/** An answer: its status, and its body as JSON where it is JSON, else as text. */
export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: unknown;
}

/** Calls of one server with one key. */
export interface HttpClient {
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Sends a body as it is, for signed payloads and malformed ones. */
  send(method: string, path: string, body: string, headers?: Record<string, string>): Promise<Answer>;
  close(): void;
}

/** Makes a client; without a key it calls anonymously. A call that gets no answer in `timeoutMs` throws; one beyond `maxSockets` waits for another to end. */
export function makeHttpClient(url: string, apiKey: string | null, timeoutMs = 60_000, maxSockets = 64): HttpClient {
  const isSecure = new URL(url).protocol === "https:";
  const agent = isSecure
    ? new SecureAgent({ keepAlive: true, maxSockets })
    : new Agent({ keepAlive: true, maxSockets });
  const open = isSecure ? secureRequest : request;
  const authorization: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };

  function send(method: string, path: string, body: string | null, headers: Record<string, string>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = open(new URL(path, url).href, {
        method,
        agent,
        headers: { ...authorization, ...headers },
        timeout: timeoutMs,
      });
      sent.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () => {
          const text = Buffer.concat(chunks).toString("utf8");
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: parseBody(response, text) });
        });
      });
      sent.once("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer in ${timeoutMs} ms`)));
      sent.once("error", reject);
      sent.end(body ?? undefined);
    });
  }

  return {
    call(method, path, body, headers = {}) {
      if (body === undefined) {
        return send(method, path, null, headers);
      }
      const text = JSON.stringify(body);
      return send(method, path, text, {
        "content-type": "application/json",
        "content-length": String(Buffer.byteLength(text)),
        ...headers,
      });
    },
    send(method, path, body, headers = {}) {
      return send(method, path, body, { "content-length": String(Buffer.byteLength(body)), ...headers });
    },
    close() {
      agent.destroy();
    },
  };
}

function parseBody(response: IncomingMessage, text: string): unknown {
  if (text !== "" && (response.headers["content-type"] ?? "").includes("json")) {
    const parsed: unknown = JSON.parse(text);
    return parsed;
  }
  return text;
}
