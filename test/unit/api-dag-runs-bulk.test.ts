import { describe, it } from "vitest";
import { z } from "zod";
import { bulkBody, runBulk, type BulkHandlers } from "../../src/api/bulk.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { DagObject, Refusal } from "../../src/engine/objects.ts";
import { containing, listWith } from "./api-matchers.ts";
import { ok, runView, testApi } from "./api-support.ts";

const BULK = "/api/v2/dags/etl/dagRuns";

function refused(code: Refusal["code"], message: string) {
  return { ok: false as const, refusal: { code, message } };
}

/** A DAG whose runs are those whose id begins with r; r9 is running. */
const dag: Partial<DagObject> = {
  getRun: async (id) => (id.startsWith("r") ? ok(runView({ run_id: id })) : refused("not_found", `no ${id}`)),
  patchRun: async (id) => (id.startsWith("r") ? ok(runView({ run_id: id })) : refused("not_found", `no ${id}`)),
  deleteRun: async (id) =>
    id === "r9" ? refused("conflict", "r9 runs") : id.startsWith("r") ? ok(null) : refused("not_found", `no ${id}`),
};

const bulk = (...actions: unknown[]) => ({ json: { actions } });

describe("changing many runs", () => {
  it("updates each, and one that is not there stops no other", async ({ expect }) => {
    const api = testApi({ dag });
    const { status, body } = await api.send(
      "PATCH",
      BULK,
      bulk({
        action: "update",
        entities: [
          { dag_run_id: "r1", state: "success" },
          { dag_run_id: "x", state: "failed" },
          { dag_run_id: "r2", note: "seen", dag_id: "reports" },
        ],
      }),
    );
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      create: null,
      update: { success: ["etl.r1", "reports.r2"], errors: [{ error: "no x", status_code: 404 }] },
      delete: null,
    });
    expect(api.calls).toEqual([
      { object: "DAG etl", method: "patchRun", args: ["r1", { state: "success" }] },
      { object: "DAG etl", method: "patchRun", args: ["x", { state: "failed" }] },
      { object: "DAG reports", method: "patchRun", args: ["r2", { note: "seen" }] },
    ]);
  });

  it("deletes by id and by object, and goes on after one that runs", async ({ expect }) => {
    const { body } = await testApi({ dag }).send(
      "PATCH",
      BULK,
      bulk({ action: "delete", entities: ["r9", "r1", { dag_run_id: "r2", dag_id: "reports" }, "x"] }),
    );
    expect(body).toMatchObject({
      delete: {
        success: ["etl.r1", "reports.r2"],
        errors: [
          { error: "r9 runs", status_code: 409 },
          { error: "no x", status_code: 404 },
        ],
      },
    });
  });

  it("skips what is not there if it is told to", async ({ expect }) => {
    const { body } = await testApi({ dag }).send(
      "PATCH",
      BULK,
      bulk(
        { action: "update", entities: [{ dag_run_id: "x", note: "n" }], action_on_non_existence: "skip" },
        {
          action: "delete",
          entities: [{ dag_run_id: "r1", dag_id: "elt" }, "r9"],
          action_on_non_existence: "skip",
        },
      ),
    );
    expect(body).toStrictEqual({
      create: null,
      update: { success: [], errors: [] },
      delete: { success: [], errors: [{ error: "r9 runs", status_code: 409 }] },
    });
  });

  it("creates nothing, as Airflow", async ({ expect }) => {
    const api = testApi({ dag });
    const { body } = await api.send("PATCH", BULK, bulk({ action: "create", entities: [{ dag_run_id: "r1" }] }));
    expect(body).toMatchObject({
      create: {
        success: [],
        errors: [
          {
            error: "Dag Runs bulk create is not supported. Use the trigger Dag Run endpoint instead.",
            status_code: 405,
          },
        ],
      },
    });
    expect(api.calls).toEqual([]);
  });

  it("under ~ needs a DAG of each entity", async ({ expect }) => {
    const { body } = await testApi({ dag }).send(
      "PATCH",
      "/api/v2/dags/~/dagRuns",
      bulk(
        { action: "delete", entities: ["r1", { dag_run_id: "r2" }, { dag_run_id: "r3", dag_id: "etl" }] },
        { action: "update", entities: [{ dag_run_id: "~", dag_id: "etl", note: "n" }] },
      ),
    );
    const wildcard = "When using wildcard in path, dag_id must be specified in";
    expect(body).toMatchObject({
      delete: {
        success: ["etl.r3"],
        errors: [
          { error: `${wildcard} BulkDAGRunBody object, not as string for dag_run_id: r1`, status_code: 400 },
          { error: `${wildcard} request body for dag_run_id: r2`, status_code: 400 },
        ],
      },
      update: { success: [], errors: [{ error: `${wildcard} request body for dag_run_id: ~`, status_code: 400 }] },
    });
  });

  it.for([
    ["what the mask names", { update_mask: ["note"] }, { note: "n" }],
    ["all fields without a mask", { update_mask: null }, { state: "failed", note: "n" }],
  ] as const)("sets %s", async ([, mask, patch], { expect }) => {
    const api = testApi({ dag });
    const entities = [{ dag_run_id: "r1", state: "failed", note: "n" }];
    await api.send("PATCH", BULK, bulk({ action: "update", entities, ...mask }));
    expect(api.calls).toEqual([{ object: "DAG etl", method: "patchRun", args: ["r1", patch] }]);
  });

  it.for([{ note: null }, { state: null }, {}])(
    "changes nothing by %j, but looks for the run",
    async (fields, { expect }) => {
      const api = testApi({ dag });
      const { body } = await api.send(
        "PATCH",
        BULK,
        bulk({ action: "update", entities: [{ dag_run_id: "r1", ...fields }] }),
      );
      expect(body).toMatchObject({ update: { success: ["etl.r1"] } });
      expect(api.calls).toEqual([{ object: "DAG etl", method: "getRun", args: ["r1", 0] }]);
    },
  );

  it("answers for no action at all", async ({ expect }) => {
    expect(await testApi({ dag }).send("PATCH", BULK, bulk())).toMatchObject({
      status: 200,
      body: { create: null, update: null, delete: null },
    });
  });

  it.for([
    ["an unknown action", { action: "upsert", entities: [] }],
    ["no entities", { action: "update" }],
    ["an entity that is text", { action: "update", entities: ["r1"] }],
    ["an entity without an id", { action: "delete", entities: [{}] }],
    ["an unknown field", { action: "delete", entities: [], update_mask: [] }],
    ["an unknown way with what is not there", { action: "delete", entities: [], action_on_non_existence: "create" }],
    ["a state nobody can give", { action: "update", entities: [{ dag_run_id: "r1", state: "running" }] }],
    ["too many entities", { action: "delete", entities: Array.from({ length: 501 }, () => "r1") }],
    ["an action that is a number", 5],
  ] as const)("is refused for %s, and nothing is changed", async ([, action], { expect }) => {
    const api = testApi({ dag });
    const { status, body } = await api.send("PATCH", BULK, bulk({ action: "delete", entities: ["r1"] }, action));
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: listWith({}) });
    expect(api.calls).toEqual([]);
  });

  it("is refused for more actions than one request may have, also if they name nothing", async ({ expect }) => {
    const many = (count: number) => bulk(...Array.from({ length: count }, () => ({ action: "create", entities: [] })));
    const { status, body } = await testApi({ dag }).send("PATCH", BULK, many(501));
    expect(status).toBe(422);
    expect(body).toMatchObject({ detail: [{ loc: ["body", "actions"], msg: containing("at most 500 actions") }] });
    expect((await testApi({ dag }).send("PATCH", BULK, many(500))).status).toBe(200);
  });
});

describe("running a bulk request", () => {
  const handlers: BulkHandlers<{ id: string }> = {
    createRefusal: "none",
    update: async ({ id }) => {
      if (id === "overloaded") {
        throw Object.assign(new Error("secret"), { overloaded: true });
      }
      if (id === "broken") {
        throw new TypeError("a bug");
      }
      return id === "several" ? ["a", "b"] : [id];
    },
    delete: async () => {
      throw new ApiError(422, [{ loc: ["body"], msg: "expected another", type: "value_error" }]);
    },
  };

  it("gathers what several actions of one kind came to, and several keys of one entity", async ({ expect }) => {
    const update = (id: string) => ({ action: "update", entities: [{ id }], action_on_non_existence: "fail" }) as const;
    expect(await runBulk([update("several"), update("c")], handlers)).toMatchObject({
      update: { success: ["a", "b", "c"], errors: [] },
    });
  });

  it("tells of an object that is overloaded without its text, and throws what is a bug", async ({ expect }) => {
    const update = (...ids: string[]) =>
      ({ action: "update", entities: ids.map((id) => ({ id })), action_on_non_existence: "skip" }) as const;
    const response = await runBulk([update("overloaded", "c")], handlers);
    expect(response.update?.success).toEqual(["c"]);
    expect(response.update?.errors).toMatchObject([{ status_code: 503 }]);
    expect(JSON.stringify(response)).not.toContain("secret");
    await expect(runBulk([update("broken")], handlers)).rejects.toThrow("a bug");
  });

  it("tells a refusal with places as text", async ({ expect }) => {
    const action = { action: "delete", entities: ["a"], action_on_non_existence: "fail" } as const;
    expect(await runBulk<{ id: string }>([action], handlers)).toMatchObject({
      delete: { errors: [{ error: "expected another", status_code: 422 }] },
    });
  });

  it("reads bodies over entities of any kind", ({ expect }) => {
    const body = bulkBody(z.strictObject({ name: z.string() }), "ThingBody");
    const actions = [
      { action: "update", entities: [{ name: "a" }] },
      { action: "delete", entities: ["a", { name: "b" }] },
    ];
    expect(body.parse({ actions })).toEqual({
      actions: actions.map((action) => ({ ...action, action_on_non_existence: "fail" })),
    });
    expect(body.safeParse({ actions: [{ action: "delete", entities: [{ title: "a" }] }] }).success).toBe(false);
  });
});
