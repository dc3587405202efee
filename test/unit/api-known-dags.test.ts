import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CatalogObject } from "../../src/engine/objects.ts";
import { refuse } from "../../src/engine/result.ts";
import { NOW, ok, testApi, type TestApiOptions } from "./api-support.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"], now: NOW }));
afterEach(() => void vi.useRealTimers());

const REGISTERED = "registered";

/** An API whose catalog counts how often it is asked of a DAG or a pool. */
function counting(options: TestApiOptions = {}) {
  const there = new Set([REGISTERED]);
  const asked: string[] = [];
  const catalog: Partial<CatalogObject> = {
    has: async (dagId) => {
      asked.push(dagId);
      return there.has(dagId);
    },
    list: async () => [...there],
    remove: async (dagId) => void there.delete(dagId),
    findPool: async (name) => {
      asked.push(name);
      return there.has(name) ? { id: 1, name, added_at: NOW } : null;
    },
    removePool: async ({ name }) => void there.delete(name),
    ...options.catalog,
  };
  const setPaused = async () => refuse<never>("not_found", "there is no such DAG");
  const api = testApi({ ...options, dag: { setPaused, ...options.dag }, catalog });
  const statusOf = async (method: string, path: string, json?: unknown): Promise<number> =>
    (await api.fetch(method, `/api/v2${path}`, json === undefined ? {} : { json })).status;
  return { there, asked, statusOf };
}

const pause = (api: ReturnType<typeof counting>, dagId = REGISTERED): Promise<number> =>
  api.statusOf("PATCH", `/dags/${dagId}`, { is_paused: true });

describe("a DAG that the catalog has", () => {
  it("is known for 30 s without asking again", async () => {
    const api = counting();
    for (const [after, times] of [
      [0, 1],
      [0, 1],
      [29_999, 1],
      [1, 2],
    ] as const) {
      vi.setSystemTime(Date.now() + after);
      expect(await pause(api)).toBe(404);
      expect(api.asked).toHaveLength(times);
    }
  });

  it("is asked for again after the clock stepped back", async () => {
    const api = counting();
    await pause(api);
    vi.setSystemTime(NOW - 1);
    await pause(api);
    expect(api.asked).toHaveLength(2);
  });

  it("is known at once after it was not, since that is not kept", async () => {
    const api = counting({ dag: { setPaused: async () => refuse("conflict", "there is one, which refuses") } });
    expect(await pause(api, "later")).toBe(404);
    api.there.add("later");
    expect(await pause(api, "later")).toBe(409);
    expect(api.asked).toEqual(["later", "later"]);
  });

  it("is unknown at once where it was deleted", async () => {
    const gone = async () => refuse<never>("not_found", "there is no such DAG");
    const api = counting({ dag: { deleteDag: async () => ok(null), describe: gone } });
    await pause(api);
    expect(await api.statusOf("DELETE", `/dags/${REGISTERED}`)).toBe(204);
    const before = api.asked.length;
    await pause(api);
    expect(api.asked).toHaveLength(before + 1);
  });

  it("is not kept if the answer was under way while it was deleted", async () => {
    const first = Promise.withResolvers<boolean>();
    const begun = Promise.withResolvers<void>();
    const asked: string[] = [];
    const has = async (dagId: string): Promise<boolean> => {
      begun.resolve();
      return asked.push(dagId) === 1 ? first.promise : true;
    };
    const gone = async () => refuse<never>("not_found", "there is no such DAG");
    const api = counting({ catalog: { has }, dag: { deleteDag: async () => ok(null), describe: gone } });
    const slow = pause(api);
    await begun.promise;
    await api.statusOf("DELETE", `/dags/${REGISTERED}`);
    first.resolve(true);
    await slow;
    const before = asked.length;
    await pause(api);
    expect(asked).toHaveLength(before + 1);
  });

  it("is asked for each time by what does not ask its object", async () => {
    const api = counting();
    await pause(api);
    api.there.delete(REGISTERED);
    for (const path of ["/dagRuns", "/dagRuns/~/taskInstances", "/dagRuns/~/hitlDetails"]) {
      expect([path, await api.statusOf("GET", `/dags/${REGISTERED}${path}`)]).toEqual([path, 404]);
    }
  });
});

describe("a pool that the catalog has", () => {
  it("is known for 30 s, and unknown at once where it was deleted", async () => {
    const gone = async () => refuse<never>("not_found", "there is no such pool");
    const api = counting({
      pool: { listPermits: gone, describe: async () => ok(null as never), remove: async () => ok(null) },
    });
    api.there.add("wide");
    const permits = (): Promise<number> => api.statusOf("GET", "/pools/wide/permits");
    await permits();
    expect(await permits()).toBe(404);
    expect(api.asked).toEqual(["wide"]);
    await api.statusOf("DELETE", "/pools/wide");
    await permits();
    expect(api.asked).toEqual(["wide", "wide", "wide"]);
  });
});
