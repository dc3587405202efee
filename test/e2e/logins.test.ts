import { afterAll, beforeAll, describe, test } from "vitest";
import { hashPassword } from "../../src/api/auth/passwords.ts";
import { LOGIN_RULES } from "../../src/engine/login-guard.ts";
import { startTestServer } from "../support/server.ts";
import type { TestServer } from "../support/server.ts";

const PASSWORD = "a password of the tests";
let server: TestServer;

beforeAll(async () => {
  const ada = { password: await hashPassword(PASSWORD), role: "op" };
  server = await startTestServer({ JOBBERS_USERS: JSON.stringify({ ada }) });
});

afterAll(async () => {
  await server.remove();
});

async function login(password: string, headers: Record<string, string> = {}) {
  const json = { "content-type": "application/json", ...headers };
  return server.client.http.send("POST", "/auth/token", JSON.stringify({ username: "ada", password }), json);
}

/** Guesses until it is held back; gives how many were looked at before, and what the refusal says. */
async function guess(headers: () => Record<string, string>) {
  for (let count = 0; ; count += 1) {
    const { status, headers: answered } = await login("a guess", headers());
    if (status !== 401) {
      return { count, status, seconds: Number(answered["retry-after"]) };
    }
  }
}

// How many are let through in how long a time is shown where the clock can be held: in the layer of the runtime.
describe("logins that fail", () => {
  test("are held back, and the API key is not", async ({ expect }) => {
    expect((await login(PASSWORD)).status).toBe(201);
    const { count, status, seconds } = await guess(() => ({}));
    expect(status).toBe(429);
    expect(count).toBeGreaterThanOrEqual(LOGIN_RULES.pair.burst);
    expect(seconds).toBeGreaterThan(0);
    expect((await server.client.http.call("GET", "/api/v2/dags")).status).toBe(200);
  });

  test("are held back although each claims to come from somewhere else", async ({ expect }) => {
    let address = 0;
    const forged = () => ({ "cf-connecting-ip": `192.0.2.${(address += 1)}` });
    expect((await guess(forged)).status).toBe(429);
  });
});
