import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, it } from "vitest";
import { JOB_ID, jobView, ok, testApi, type Answer } from "./api-support.ts";

/** Requests that may wait at a time. */
const MOST = 1000;
const WAITING = `/jobs/${JOB_ID}?wait=30`;

/** An API whose job ends when it is let go; what asks without time to wait is answered at once. */
function api() {
  const { promise: gate, resolve: letGo } = Promise.withResolvers<void>();
  const asked: number[] = [];
  const fake = testApi({
    job: {
      async get(waitMs) {
        asked.push(waitMs);
        await (waitMs === 0 ? undefined : gate);
        return ok(jobView({ state: waitMs === 0 ? "running" : "success" }));
      },
      readLog: async () => ({ ok: false, refusal: { code: "not_found", message: "no such try" } }),
    },
  });
  const send = (method: string, path: string): Promise<Answer> => fake.send(method, path);
  /** Sends requests that wait, one after the other, as they come from a network. */
  async function fill(count: number): Promise<Promise<Answer>[]> {
    const answers: Promise<Answer>[] = [];
    for (let sent = 0; sent < count; sent += 1) {
      answers.push(send("GET", WAITING));
      while (asked.length <= sent) {
        await nextTurn();
      }
    }
    return answers;
  }
  return { send, letGo, asked, fill };
}

function retryAfter({ headers }: Answer): string | null {
  return headers.get("retry-after");
}

describe("a request that asks to wait longer than the platform lets it", () => {
  /** How long the job's object was asked to wait, in milliseconds. */
  async function waited(path: string, most: string | undefined): Promise<number[]> {
    const asked: number[] = [];
    const get = async (waitMs: number) => {
      asked.push(waitMs);
      return ok(jobView({ state: "running" }));
    };
    const limited = testApi({ job: { get }, env: { JOBBERS_MAX_WAIT_S: most } });
    const answer = await limited.send("GET", path);
    return answer.status === 200 && retryAfter(answer) === null ? asked : [];
  }

  it("is answered with the present state when the longest time is up", async ({ expect }) => {
    for (const [seconds, most, expected] of [
      ["60", "25", 25_000],
      ["25.001", "25", 25_000],
      ["24.999", "25", 24_999],
      ["60", "60", 60_000],
      // Where nothing is configured, or nothing that can be used, it is as on Cloudflare.
      ["60", undefined, 25_000],
      ["60", "long", 25_000],
      ["60", "-1", 25_000],
      ["60", "3600", 60_000],
    ] as const) {
      expect([seconds, most, await waited(`/jobs/${JOB_ID}?wait=${seconds}`, most)]).toEqual([
        seconds,
        most,
        [expected],
      ]);
    }
  });
});

describe("more requests that wait than may", () => {
  it("are answered at once with what there is, and asked to leave some time", async ({ expect }) => {
    const { send, letGo, asked, fill } = api();
    const waiting = await fill(MOST);
    expect(new Set(asked)).toEqual(new Set([30_000]));

    const early = await send("GET", WAITING);
    expect([early.status, retryAfter(early)]).toEqual([200, "1"]);
    expect(early.body).toMatchObject({ state: "running" });
    expect(asked.at(-1)).toBe(0);

    const other = await send("GET", `/jobs/${JOB_ID}`);
    expect([other.status, retryAfter(other)]).toEqual([200, null]);

    letGo();
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(retryAfter))).toEqual(new Set([null]));
  });

  it("leave their places when they are answered, also if that is an error", async ({ expect }) => {
    const { send, letGo, asked, fill } = api();
    const waiting = await fill(MOST - 1);
    for (let turn = 0; turn < 3; turn += 1) {
      expect((await send("GET", `/jobs/${JOB_ID}/logs?wait=30`)).status).toBe(404);
      expect((await send("GET", `/jobs/${JOB_ID}?wait=61`)).status).toBe(422);
    }
    asked.length = 0;
    const last = await fill(1);
    expect(asked).toEqual([30_000]);
    letGo();
    await Promise.all([...waiting, ...last]);
    expect(retryAfter(await send("GET", WAITING))).toBeNull();
    expect(asked.at(-1)).toBe(30_000);
  });
});
