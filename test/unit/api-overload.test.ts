import { scheduler, setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import { submissionsWaiting } from "../../src/api/overload.ts";
import { jobView, NOW, ok, runView, testApi, type Answer } from "./api-support.ts";

/** What is admitted at once where nothing was measured. */
const ADMITTED = 400;

/** An API whose objects answer submissions only when they are let go. */
function slowApi() {
  const { promise: gate, resolve: letGo } = Promise.withResolvers<void>();
  const api = testApi({
    job: {
      submit: async ({ job_id: id, name }) => {
        await gate;
        return ok({ job: jobView({ id, name, state: "queued" }), created: true });
      },
      get: async () => ok(jobView()),
    },
    dag: {
      trigger: async () => {
        await gate;
        return ok(runView());
      },
    },
  });
  return { api, letGo };
}

/** Sends submissions until as many wait as are admitted. */
async function fill(api: ReturnType<typeof testApi>): Promise<Promise<Answer>[]> {
  const answers = Array.from({ length: ADMITTED }, () => api.send("POST", "/tasks/hello", { json: {} }));
  while (submissionsWaiting() < ADMITTED) {
    await nextTurn();
  }
  return answers;
}

// The runtime's own, which Node has as a module.
beforeEach(() => void vi.stubGlobal("scheduler", scheduler));
// Nothing is measured while the clock stands: what is admitted must not depend on the machine.
beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW }));
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("more submissions than are answered in time", () => {
  it.for([
    ["POST", "/tasks/hello", {}],
    ["POST", "/tasks", { tasks: [{ name: "hello" }] }],
    ["POST", "/api/v2/dags/etl/dagRuns", { logical_date: null }],
  ] as const)("are refused at once with 503 and Retry-After: %s %s", async ([method, path, json], { expect }) => {
    const { api, letGo } = slowApi();
    const waiting = await fill(api);
    const refused = await api.send(method, path, { json });
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(refused.body).toEqual({ detail: "more is submitted than can be taken in time; try again" });
    expect(submissionsWaiting()).toBe(ADMITTED);
    letGo();
    expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([202]));
    expect(submissionsWaiting()).toBe(0);
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(202);
  });

  it("keep nothing waiting that reads, nor a caller who is not known", async ({ expect }) => {
    const { api, letGo } = slowApi();
    const waiting = await fill(api);
    expect((await api.send("GET", "/jobs/01JC6V9XH3ZQ5W8M2T4R7K0NPD")).status).toBe(200);
    expect((await api.send("POST", "/tasks/hello", { json: {}, key: "x".repeat(40) })).status).toBe(401);
    letGo();
    await Promise.all(waiting);
  });

  it("leave their place also when they are refused for another reason or fail", async ({ expect }) => {
    const api = testApi({ job: { submit: async () => Promise.reject(new Error("away")) } });
    const error = vi.spyOn(console, "error").mockReturnValue(undefined);
    expect((await api.send("POST", "/tasks/hello", { json: {} })).status).toBe(500);
    expect((await api.send("POST", "/tasks/helo", { json: {} })).status).toBe(404);
    expect((await api.send("POST", "/tasks/hello", { json: { run_at: NOW } })).status).toBe(422);
    expect(submissionsWaiting()).toBe(0);
    error.mockRestore();
  });
});
