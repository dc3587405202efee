/**
 * What caches may keep: of answers that ask for a key nothing, of the documents that are the same for everybody a while.
 *
 * @module
 */
import type { Context } from "hono";
import { createMiddleware } from "hono/factory";
import { encodeBase64Url } from "hono/utils/encode";
import { isPublic } from "./auth.ts";
import type { AppEnv } from "./env.ts";

/** How long a browser shows the API's description without asking whether it is the present one. */
const DOCUMENT_SECONDS = 300;

/** Lets nobody keep an answer of a path that asks for a key. */
export const keepPrivate = createMiddleware<AppEnv>(async (c, next) => {
  await next();
  if (!isPublic(c.req.path)) {
    c.res.headers.set("Cache-Control", "private, no-store");
  }
});

/** A document of this release, which everybody gets alike. */
export interface PublicDocument {
  text: string;
  headers: Record<string, string>;
}

/** A document with a tag that says which it is. */
export async function publicDocument(text: string, headers: Record<string, string>): Promise<PublicDocument> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const tag = `"${encodeBase64Url(hash.slice(0, 12))}"`;
  return { text, headers: { ...headers, ETag: tag, "Cache-Control": `public, max-age=${DOCUMENT_SECONDS}` } };
}

/** Answers a document, or a 304 to a caller who has it. That has all headers too: a cache replaces those that it kept. */
export function answerDocument(c: Context<AppEnv>, { text, headers }: PublicDocument): Response {
  const known = (c.req.header("if-none-match") ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return known.some((tag) => tag === headers["ETag"] || tag === "*")
    ? c.body(null, 304, headers)
    : c.body(text, 200, headers);
}
