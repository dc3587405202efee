/**
 * Bodies that may be left out.
 *
 * @module
 */
import { createMiddleware } from "hono/factory";
import type { AppEnv } from "./env.ts";
import { isJson } from "./errors.ts";

/** For routes whose body may be left out: clients name the type of JSON also where they send none, and mean no fields. */
export const optionalBody = createMiddleware<AppEnv>(async (c, next) => {
  if (isJson(c.req.header("content-type")) && (await c.req.text()) === "") {
    // The framework's types have the text here, where it keeps the promise of it.
    Object.assign(c.req.bodyCache, { text: Promise.resolve("{}") });
  }
  await next();
});
