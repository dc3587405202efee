import { describe, it } from "vitest";
import { Service } from "../../src/isolate/service.ts";
import { NOW, testApi } from "./api-support.ts";

const MINUTE_MS = 60_000;

/** The health of an API at times that a test says. */
function health(service: Service, env: Record<string, unknown> = {}) {
  let clock = NOW;
  const api = testApi({ service, env, now: () => clock });
  return async (afterMs: number): Promise<unknown> => {
    clock = NOW + afterMs;
    const { status, body } = await api.send("GET", "/api/v2/monitor/health", { key: null });
    return status === 200 ? Reflect.get(body as object, "scheduler") : status;
  };
}

function at(afterMs: number): string {
  return new Date(NOW + afterMs).toISOString().replace(".000", "");
}

const SERVED = { JOBBERS_ORDER_TOKEN: "token of the server" };
const HEALTHY_NOW = { status: "healthy", latest_scheduler_heartbeat: at(0) };

describe("the scheduler's health", () => {
  it.for([
    ["of `npm start`", SERVED],
    ["on Cloudflare", {}],
  ] as const)(
    "is bad from a failed sweep until one goes through, with the last that did: %s",
    async ([, env], { expect }) => {
      const service = new Service();
      const ask = health(service, env);
      service.sweeps.note("done", NOW - 2 * MINUTE_MS);
      expect(await ask(0)).toEqual(HEALTHY_NOW);
      service.sweeps.note("failed", NOW - MINUTE_MS);
      service.sweeps.note("failed", NOW);
      expect(await ask(0)).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: at(-2 * MINUTE_MS) });
      service.sweeps.note("done", NOW + MINUTE_MS);
      expect(await ask(MINUTE_MS)).toEqual({ status: "healthy", latest_scheduler_heartbeat: at(MINUTE_MS) });
    },
  );

  it("has no heartbeat if no sweep ever went through", async ({ expect }) => {
    const service = new Service();
    service.sweeps.note("failed", NOW);
    expect(await health(service)(0)).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: null });
  });

  it("is bad where sweeps are due and do not come, from 150 s on", async ({ expect }) => {
    const service = new Service();
    const ask = health(service, SERVED);
    expect(await ask(0)).toEqual(HEALTHY_NOW);
    expect(await ask(149_999)).toMatchObject({ status: "healthy" });
    expect(await ask(150_000)).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: null });
    service.sweeps.note("done", NOW + 160_000);
    expect(await ask(160_000 + 149_999)).toMatchObject({ status: "healthy" });
    expect(await ask(160_000 + 150_000)).toEqual({ status: "unhealthy", latest_scheduler_heartbeat: at(160_000) });
  });

  it("is good in an isolate that is not swept where any isolate may be", async ({ expect }) => {
    const service = new Service();
    const ask = health(service);
    expect(await ask(0)).toEqual(HEALTHY_NOW);
    expect(await ask(86_400_000)).toMatchObject({ status: "healthy" });
    service.sweeps.note("done", NOW + 86_400_000);
    expect(await ask(2 * 86_400_000)).toMatchObject({ status: "healthy" });
  });

  it("forgets a failure after 150 s where later sweeps may have come to other isolates, and nowhere else", async ({
    expect,
  }) => {
    const service = new Service();
    service.sweeps.note("failed", NOW);
    const [elsewhere, served] = [health(service), health(service, SERVED)];
    expect(await elsewhere(149_999)).toMatchObject({ status: "unhealthy" });
    expect(await elsewhere(150_000)).toMatchObject({ status: "healthy" });
    expect(await served(150_000)).toMatchObject({ status: "unhealthy" });
  });
});
