/**
 * What of the API depends on the runtime: its cryptography, which allows less than Node's does, its reading of addresses, and
 * how much room its stack has.
 *
 * @module
 */
import { env, exports } from "cloudflare:workers";
import { describe, it } from "vitest";
import { createApi } from "../../src/api/app.ts";
import { hashPassword } from "../../src/api/auth/passwords.ts";
import { registry } from "./registry.ts";

const SECRET = "a secret of at least 32 characters";

/** Sends a request as a deployment with these users would get it. */
async function send(
  users: Record<string, { password: string; role: string }>,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const bindings = { ...env, JOBBERS_JWT_SECRET: SECRET, JOBBERS_USERS: JSON.stringify(users) };
  return createApi({ registry }).fetch(new Request(`https://jobbers.test${path}`, init), bindings);
}

describe("in the runtime", () => {
  it("a password becomes a token, and the token opens the API", async ({ expect }) => {
    const users = { ada: { password: await hashPassword("open sesame"), role: "viewer" } };
    const login = await send(users, "/auth/token", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "ada", password: "open sesame" }),
    });
    expect(login.status).toBe(201);
    const { access_token: token } = await login.json<{ access_token: string }>();
    const headers = { authorization: `Bearer ${token}` };
    expect((await send(users, "/api/v2/dags", { headers })).status).toBe(200);
    expect((await send(users, "/tasks/hello", { method: "POST", headers })).status).toBe(403);
    expect((await send({}, "/api/v2/dags", { headers })).status).toBe(401);
  });

  it("the page at /docs is made", async ({ expect }) => {
    const response = await send({}, "/docs", {});
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("</html>");
  });

  it("a huge body that breaks off in a string is told so", async ({ expect }) => {
    const headers = { authorization: "Bearer test-key", "content-type": "application/json" };
    const body = `{"tasks": ["${"x".repeat(8_000_000)}`;
    const response = await exports.default.fetch("https://jobbers.test/tasks", { method: "POST", headers, body });
    expect(response.status, await response.text()).toBe(400);
  });

  it("no spelling of an address brings it down", async ({ expect }) => {
    const headers = { authorization: "Bearer test-key" };
    for (const part of ["%", "%00", "%ED%A0%80", "%C0%AE", "%FF", "..%2f..", "a%0Ab", "\u{1f4a5}"]) {
      for (const path of [
        `/api/v2/dags/${part}`,
        `/api/v2/dags/${part}/dagRuns/${part}`,
        `/api/v2/dags?limit=${part}`,
      ]) {
        const response = await exports.default.fetch(`https://jobbers.test${path}`, { headers });
        expect([404, 422], `${path}: ${await response.text()}`).toContain(response.status);
      }
    }
  });
});
