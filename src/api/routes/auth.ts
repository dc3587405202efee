/**
 * Tokens of limited life, in Airflow's paths.
 *
 * @module
 */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { bearerOf } from "../auth.ts";
import { issueToken, type Proof } from "../auth/login.ts";
import { MAX_PASSWORD } from "../auth/passwords.ts";
import { CLI_TOKEN_SECONDS, TOKEN_SECONDS } from "../auth/tokens.ts";
import type { ApiDeps, AppEnv } from "../env.ts";
import { ApiError, invalid } from "../errors.ts";
import { optionalBody } from "../optional-body.ts";
import { json, PUBLIC, refusals } from "../responses.ts";

const EXPECTED = "expected username and password, or api_key, or the API key as a bearer";

const credentials = {
  username: z.string().min(1).max(100).optional(),
  password: z.string().min(1).max(MAX_PASSWORD).optional().openapi({ format: "password" }),
  api_key: z.string().min(1).max(1024).optional().openapi({ format: "password" }),
};

const credentialsSchema = z.strictObject(credentials).openapi("LoginBody");
/** OAuth's password grant sends further fields. */
const formSchema = z.object(credentials).openapi("LoginForm");
type Credentials = z.output<typeof credentialsSchema>;

const tokenSchema = z.object({ access_token: z.string() }).openapi("LoginResponse");

const request = {
  body: {
    content: {
      "application/json": { schema: credentialsSchema },
      "application/x-www-form-urlencoded": { schema: formSchema },
    },
    description: EXPECTED,
    required: false,
  },
};
const responses = {
  201: json(tokenSchema, "The token, to be sent as `Authorization: Bearer <token>`"),
  ...refusals(400, 401, 413, 415, 422, 429),
};

const createTokenRoute = createRoute({
  method: "post",
  path: "/auth/token",
  tags: ["Login"],
  summary: "Get a token for a day",
  description: "For the name and password of a configured user, or for the API key, in the body or as a bearer.",
  security: PUBLIC,
  middleware: optionalBody,
  request,
  responses,
});

const createCliTokenRoute = createRoute({
  method: "post",
  path: "/auth/token/cli",
  tags: ["Login"],
  summary: "Get a token for an hour",
  security: PUBLIC,
  middleware: optionalBody,
  request,
  responses,
});

const adminTokenRoute = createRoute({
  method: "get",
  path: "/auth/token",
  tags: ["Login"],
  summary: "Refused: tokens are given for credentials only",
  description: "Airflow answers it where everybody is an administrator, which Jobbers does not offer.",
  security: PUBLIC,
  responses: refusals(403),
});

/** Routes that give tokens. */
export function authRoutes({ now }: ApiDeps) {
  async function answer(c: Context<AppEnv>, given: Credentials, seconds: number) {
    c.header("Cache-Control", "no-store");
    const proof = proofOf(c, given);
    const sender = { address: c.req.header("cf-connecting-ip") ?? null, requestId: c.get("requestId") };
    return c.json({ access_token: await issueToken(c.env, proof, sender, seconds, now()) }, 201);
  }
  return new OpenAPIHono<AppEnv>()
    .openapi(createTokenRoute, (c) => answer(c, { ...c.req.valid("json"), ...c.req.valid("form") }, TOKEN_SECONDS))
    .openapi(createCliTokenRoute, (c) =>
      answer(c, { ...c.req.valid("json"), ...c.req.valid("form") }, CLI_TOKEN_SECONDS),
    )
    .openapi(adminTokenRoute, () => {
      throw new ApiError(
        403,
        "Forbidden: tokens are given for credentials only; expected POST with username and password",
      );
    });
}

/** The one proof of a request. @throws ApiError 422 if there is none, half a one, or several. */
function proofOf(c: Context<AppEnv>, body: Credentials): Proof {
  const { username, password, api_key: apiKey } = body;
  const given = (["username", "password", "api_key"] as const).filter((field) => body[field] !== undefined);
  if (username !== undefined && password !== undefined && given.length === 2) {
    return { username, password };
  }
  if (apiKey !== undefined && given.length === 1) {
    return { apiKey };
  }
  const bearer = given.length === 0 ? bearerOf(c) : undefined;
  if (bearer === undefined) {
    throw invalid(["body"], EXPECTED, given.length === 0 ? undefined : given.join(" and "));
  }
  return { apiKey: bearer };
}
