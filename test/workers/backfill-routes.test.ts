import { exports } from "cloudflare:workers";
import { vi, beforeEach, describe, it } from "vitest";
import { z } from "zod";
import { ago, daily, DAY, NOW, workOff } from "./backfill-lab.ts";
import { stopClock } from "./lab.ts";
import { fresh } from "./registry.ts";

stopClock();
// A request may name no date after 2099.
beforeEach(() => void vi.setSystemTime(NOW - DAY));

async function ask(method: string, path: string, json?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await exports.default.fetch(`https://jobbers.test/api/v2${path}`, {
    method,
    headers: {
      authorization: "Bearer test-key",
      ...(json === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

const made = z.object({ id: z.number() });

function range(dagId: string, fields: Record<string, unknown> = {}) {
  return {
    dag_id: dagId,
    from_date: new Date(ago(5)).toISOString(),
    to_date: new Date(ago(2)).toISOString(),
    ...fields,
  };
}

describe("backfills over HTTP", () => {
  it("have numbers of the deployment, and are found by them", async ({ expect }) => {
    const [one, other] = [daily(), daily()];
    const first = made.parse((await ask("POST", "/backfills", range(one))).body);
    const second = made.parse((await ask("POST", "/backfills", range(other))).body);
    expect(second.id).toBeGreaterThan(first.id);
    expect(await ask("GET", `/backfills/${second.id}`)).toMatchObject({ status: 200, body: { dag_id: other } });
    expect(await ask("GET", `/backfills?dag_id=${one}`)).toMatchObject({
      body: { backfills: [{ id: first.id, dag_id: one, is_paused: false }], total_entries: 1 },
    });
    expect(await ask("GET", `/backfills/${second.id + 1}`)).toMatchObject({ status: 404 });
  });

  it("are planned, made, refused a second time, paused, gone on with and reported", async ({ expect }) => {
    const dagId = daily();
    const body = range(dagId, { max_active_runs: 1, run_backwards: true, dag_run_conf: { a: 1 } });
    expect(await ask("POST", "/backfills/plan", body)).toMatchObject({
      status: 200,
      body: { created: 4, estimated_task_instances: 4, active_backfill_id: null },
    });
    const { id } = made.parse((await ask("POST", "/backfills", body)).body);
    expect(await ask("POST", "/backfills", body)).toMatchObject({
      status: 409,
      body: { detail: `There is already a running backfill for dag ${dagId}` },
    });
    expect(await ask("POST", "/backfills/dry_run", body)).toMatchObject({ status: 200, body: { total_entries: 0 } });
    expect(await ask("PUT", `/backfills/${id}/pause`)).toMatchObject({ status: 200, body: { is_paused: true } });
    await workOff(dagId);
    expect(await ask("GET", `/backfills/${id}/report`)).toMatchObject({ body: { runs: { success: 1, queued: 3 } } });
    expect(await ask("PUT", `/backfills/${id}/unpause`)).toMatchObject({ status: 200, body: { is_paused: false } });
    await workOff(dagId);
    expect(await ask("GET", `/backfills/${id}`)).toMatchObject({ body: { end_reason: "completed" } });
    for (const action of ["pause", "unpause", "cancel"]) {
      expect((await ask("PUT", `/backfills/${id}/${action}`)).status).toBe(409);
    }
    const runs = await ask("GET", `/dags/${dagId}/dagRuns?run_type=backfill&order_by=logical_date`);
    expect(runs.body).toMatchObject({
      total_entries: 4,
      dag_runs: [{}, {}, {}, { triggered_by: "backfill", run_type: "backfill", conf: { a: 1 } }],
    });
  });

  it("are refused for what they cannot be", async ({ expect }) => {
    const dagId = daily();
    const unscheduled = daily({ schedule: null });
    const statusOf = async (body: unknown): Promise<number> => (await ask("POST", "/backfills", body)).status;
    expect(await statusOf(range("no_such_dag"))).toBe(404);
    expect(await statusOf(range(unscheduled))).toBe(422);
    expect(await statusOf(range(dagId, { from_date: new Date(ago(1)).toISOString() }))).toBe(422);
    const future = { from_date: "2099-12-31T00:00:00Z", to_date: "2099-12-31T01:00:00Z" };
    expect(await statusOf(range(dagId, future))).toBe(422);
    const between = { from_date: "2099-12-20T01:00:00Z", to_date: "2099-12-20T02:00:00Z" };
    expect(await statusOf(range(dagId, between))).toBe(422);
    expect(await ask("POST", "/backfills/dry_run", range(dagId, between))).toMatchObject({
      status: 200,
      body: { backfills: [], total_entries: 0 },
    });
    expect(await ask("GET", `/backfills?dag_id=${dagId}`)).toMatchObject({ body: { total_entries: 0 } });
  });

  it("are of registered DAGs too, and are gone with them", async ({ expect }) => {
    const dagId = fresh("registered");
    const tasks = [{ task_id: "a", handler: "echo" }];
    const spec = {
      dag_id: dagId,
      schedule: "@daily",
      params: { n: { default: 1, schema: { type: "integer" } } },
      is_paused_upon_creation: true,
      tasks,
    };
    expect((await ask("PUT", `/dags/${dagId}`, spec)).status).toBe(201);
    expect(await ask("GET", `/dags/${dagId}`)).toMatchObject({ body: { is_backfillable: true } });
    expect(await ask("POST", "/backfills", range(dagId, { dag_run_conf: { n: "x" } }))).toMatchObject({
      status: 422,
      body: { detail: [{ loc: ["body", "dag_run_conf", "n"] }] },
    });
    const { id } = made.parse((await ask("POST", "/backfills", range(dagId))).body);
    expect((await ask("PUT", `/backfills/${id}/cancel`)).status).toBe(200);
    expect((await ask("DELETE", `/dags/${dagId}`)).status).toBe(204);
    expect((await ask("GET", `/backfills/${id}`)).status).toBe(404);
    expect((await ask("PUT", `/dags/${dagId}`, spec)).status).toBe(201);
    expect((await ask("GET", `/backfills/${id}`)).status).toBe(404);
  });
});
