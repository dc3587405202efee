import { describe, test } from "vitest";
import type { QueueRole } from "../../src/engine/queue-roles.ts";
import { dagSpecSchema } from "../../src/engine/spec.ts";
import { NOW, ok, testApi, type TestApi } from "./api-support.ts";

const QUEUES = {
  default: { binding: "TASKS", queue: "jobbers-tasks" },
  heavy: {
    binding: "TASKS_HEAVY",
    queue: "jobbers-tasks-heavy",
    rate_limit: { limit: 50, per_seconds: 1 },
    task_rate_limit: { limit: 3, per_seconds: 60, burst: 2 },
  },
};

/** An API with two queues whose catalog keeps roles. */
function withRoles(...roles: QueueRole[]): TestApi & { log: string[] } {
  const log: string[] = [];
  const api = testApi({
    env: { QUEUES },
    dag: { register: async (spec) => ok({ ...DAG_VIEW, dag_id: spec.dag_id, spec }) },
    catalog: {
      listRoles: async () => roles,
      setRole: async (role, queue) => {
        log.push(`set ${role} ${queue}`);
        return role === "heavy"
          ? { ok: false, refusal: { code: "conflict", message: "it is a queue" } }
          : queue === "nope"
            ? { ok: false, refusal: { code: "invalid", message: "no such queue", loc: ["body", "queue"] } }
            : ok({ role, queue, updated_at: NOW });
      },
      removeRole: async (role) => void log.push(`remove ${role}`),
    },
  });
  return { ...api, log };
}

const DAG_VIEW = { is_paused: false, is_registered: true, version: 1, version_created_at: NOW, next_dagrun: null };
const GPU: QueueRole = { role: "gpu", queue: "heavy", updated_at: NOW };

describe("GET /api/v2/queues", () => {
  test("lists the queues with their limits, and all roles, also of a queue that is gone", async ({ expect }) => {
    const old = { role: "old", queue: "gone", updated_at: NOW };
    const { status, body } = await withRoles(GPU, old).send("GET", "/api/v2/queues");
    expect(status).toBe(200);
    expect(body).toEqual({
      queues: [
        { name: "default", rate_limit: null, task_rate_limit: null, roles: [] },
        {
          name: "heavy",
          rate_limit: { limit: 50, per_seconds: 1, burst: 1 },
          task_rate_limit: { limit: 3, per_seconds: 60, burst: 2 },
          roles: ["gpu"],
        },
      ],
      roles: [
        { role: "gpu", queue: "heavy", updated_at: "2026-01-31T06:00:00Z" },
        { role: "old", queue: "gone", updated_at: "2026-01-31T06:00:00Z" },
      ],
      total_entries: 2,
    });
  });

  test("has the default queue alone where none are configured", async ({ expect }) => {
    const { body } = await testApi().send("GET", "/api/v2/queues");
    expect(body).toMatchObject({ queues: [{ name: "default" }], roles: [], total_entries: 1 });
  });
});

describe("a role", () => {
  test("is made, or given another queue", async ({ expect }) => {
    const api = withRoles();
    const { status, body } = await api.send("PUT", "/api/v2/queues/roles/gpu", { json: { queue: "heavy" } });
    expect([status, body]).toEqual([200, { role: "gpu", queue: "heavy", updated_at: "2026-01-31T06:00:00Z" }]);
    expect(api.log).toEqual(["set gpu heavy"]);
  });

  test("of a queue's name is a 409, of an unknown queue a 422", async ({ expect }) => {
    const api = withRoles();
    expect((await api.send("PUT", "/api/v2/queues/roles/heavy", { json: { queue: "default" } })).status).toBe(409);
    expect(await api.send("PUT", "/api/v2/queues/roles/gpu", { json: { queue: "nope" } })).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body", "queue"] }] },
    });
  });

  test.for([
    ["a space", "a%20b"],
    ["nothing that can be seen", "%00"],
    ["a way up", "%2E%2E%2Fx"],
    ["251 characters", "x".repeat(251)],
  ])("of a name with %s is a 422 that says so", async ([, name = ""], { expect }) => {
    const api = withRoles();
    for (const [method, json] of [["PUT", { queue: "heavy" }], ["DELETE"]] as const) {
      const answer = await api.send(method, `/api/v2/queues/roles/${name}`, json === undefined ? {} : { json });
      expect(answer).toMatchObject({ status: 422, body: { detail: [{ loc: ["path", "role"] }] } });
    }
    expect(api.log).toEqual([]);
  });

  test.for([
    ["no queue", {}],
    ["a queue that is no text", { queue: 7 }],
    ["a field nobody knows", { queue: "heavy", weight: 1 }],
    ["a list", []],
  ])("with %s is a 422", async ([, json], { expect }) => {
    expect((await withRoles().send("PUT", "/api/v2/queues/roles/gpu", { json })).status).toBe(422);
  });

  test("is deleted, and one that is not there is a 404 that names those that are near", async ({ expect }) => {
    const api = withRoles(GPU);
    expect(await api.send("DELETE", "/api/v2/queues/roles/gpu")).toMatchObject({ status: 204, body: null });
    expect(api.log).toEqual(["remove gpu"]);
    expect(await api.send("DELETE", "/api/v2/queues/roles/gpus")).toMatchObject({
      status: 404,
      body: { detail: 'The queue role with name: `gpus` was not found; did you mean "gpu"?' },
    });
  });

  test("needs a key", async ({ expect }) => {
    const json = { queue: "heavy" };
    expect((await withRoles().send("PUT", "/api/v2/queues/roles/gpu", { json, key: null })).status).toBe(401);
    expect((await withRoles().send("GET", "/api/v2/queues", { key: null })).status).toBe(401);
  });
});

describe("a spec that comes over HTTP", () => {
  const put = (api: TestApi, ...queues: unknown[]) =>
    api.send("PUT", "/api/v2/dags/by_hand", {
      json: { tasks: queues.map((queue, index) => ({ task_id: `t${index}`, handler: "hello", queue })) },
    });

  test("may name queues and roles, also several", async ({ expect }) => {
    const { status } = await put(withRoles(GPU), "heavy", "gpu", { spread: ["default", "gpu"], by: "random" });
    expect(status).toBe(201);
  });

  test("is refused if a name is neither, at its place", async ({ expect }) => {
    const api = withRoles(GPU, { role: "default", queue: "heavy", updated_at: NOW });
    const { status, body } = await put(api, "heavy", "hevy", { spread: ["gpu", "tpu"] });
    expect(status).toBe(422);
    expect(body).toEqual({
      detail: [
        {
          loc: ["body", "tasks", 1, "queue"],
          msg: 'expected the name of a queue or of a role; did you mean "heavy"?, got "hevy"',
          type: "value_error",
          input: "hevy",
        },
        {
          loc: ["body", "tasks", 2, "queue", "spread", 1],
          msg: 'expected the name of a queue or of a role; did you mean "gpu"?, got "tpu"',
          type: "value_error",
          input: "tpu",
        },
      ],
    });
    expect(api.calls.map(({ method }) => method)).not.toContain("register");
  });

  test("shows what it has named: a task's queue, and the rule where there are several", async ({ expect }) => {
    const rule = { spread: ["default", "heavy"], by: "round_robin" };
    const spec = {
      dag_id: "etl",
      tasks: [
        { task_id: "a", handler: "hello" },
        { task_id: "b", handler: "hello", queue: "gpu" },
        { task_id: "c", handler: "hello", queue: rule },
      ],
    };
    const api = testApi({
      dag: { describe: async () => ok({ ...DAG_VIEW, dag_id: "etl", spec: dagSpecSchema.parse(spec) }) },
    });
    const { body } = await api.send("GET", "/api/v2/dags/etl/tasks");
    expect(body).toMatchObject({ tasks: [{ queue: "default" }, { queue: "gpu" }, { queue: JSON.stringify(rule) }] });
  });
});
