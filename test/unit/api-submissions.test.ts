import { scheduler, setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, it, vi } from "vitest";
import type { ApiEnv } from "../../src/api/env.ts";
import { submitJob } from "../../src/api/submissions.ts";
import { INTAKE_DIGITS, type Submitted } from "../../src/engine/intake.ts";
import type { Result } from "../../src/engine/result.ts";
import type { JobSubmission } from "../../src/engine/work.ts";
import { jobView, ok } from "./api-support.ts";

/** Submissions that wait for an answer, from which those of one turn share a call. */
const MANY = 8;
const MOST_TOGETHER = 100;
const GIVE_UP_MS = 30_000;

type Submit = (submissions: readonly JobSubmission[]) => Promise<Result<Submitted>[]>;

function accepted({ job_id: id, name }: JobSubmission): Result<Submitted> {
  return ok({ job: jobView({ id, name, state: "queued" }), created: true });
}

/** Intake objects that answer as a test says, and what they were asked. */
function intake(answer: Submit = async (submissions) => submissions.map(accepted)) {
  const calls: { object: string; ids: string[] }[] = [];
  const unused = { getByName: () => ({}) };
  const env: ApiEnv = {
    DAG: unused,
    CATALOG: unused,
    POOL: unused,
    LOGIN_GUARD: unused,
    INTAKE: {
      getByName: (object) => ({
        submit(submissions: readonly JobSubmission[]) {
          calls.push({ object, ids: submissions.map(({ job_id: id }) => id) });
          return answer(submissions);
        },
      }),
    },
  };
  const kept: Promise<unknown>[] = [];
  const submit = (id: string, waiting = MANY, name = "hello"): Promise<Result<Submitted>> =>
    submitJob(env, { job_id: id, name, payload: null, runAt: null }, waiting, (work) => void kept.push(work));
  return { calls, kept, submit };
}

let made = 0;

/** Ids of jobs that one intake object keeps. */
function ids(count: number, digit = "0"): string[] {
  return Array.from({ length: count }, () => `${(made += 1).toString().padStart(25, "0")}${digit}`);
}

function idOf(answer: Result<Submitted>): string | null {
  return answer.ok ? answer.value.job.id : null;
}

// The runtime's own, which Node has as a module.
beforeEach(() => void vi.stubGlobal("scheduler", scheduler));
afterEach(() => void vi.unstubAllGlobals());

describe("a submission", () => {
  it("goes by itself, and at once, while few wait", async ({ expect }) => {
    const { calls, kept, submit } = intake();
    const sent = ids(3);
    const answers = sent.map((id) => submit(id, MANY - 1));
    expect(calls).toEqual(sent.map((id) => ({ object: "intake/0", ids: [id] })));
    expect((await Promise.all(answers)).map(idOf)).toEqual(sent);
    expect(kept).toEqual([]);
  });

  it("shares a call with those of the same turn, and each has its own answer", async ({ expect }) => {
    const { calls, submit } = intake();
    const sent = ids(20);
    const answers = await Promise.all(sent.map((id) => submit(id)));
    expect(calls).toEqual([{ object: "intake/0", ids: sent }]);
    expect(answers.map(idOf)).toEqual(sent);
  });

  it("shares no call with one of another intake object", async ({ expect }) => {
    const { calls, submit } = intake();
    const sent = INTAKE_DIGITS.split("").flatMap((digit) => ids(2, digit));
    expect((await Promise.all(sent.map((id) => submit(id)))).map(idOf)).toEqual(sent);
    expect(calls).toHaveLength(INTAKE_DIGITS.length);
    expect(calls.flatMap((call) => call.ids)).toEqual(sent);
  });

  it("shares no call that has begun", async ({ expect }) => {
    const { promise: gate, resolve: letGo } = Promise.withResolvers<void>();
    const { calls, submit } = intake(async (submissions) => {
      await gate;
      return submissions.map(accepted);
    });
    const [first = "", second = ""] = ids(2);
    const answers = [submit(first)];
    while (calls.length === 0) {
      await nextTurn();
    }
    answers.push(submit(second));
    while (calls.length === 1) {
      await nextTurn();
    }
    letGo();
    expect((await Promise.all(answers)).map(idOf)).toEqual([first, second]);
    expect(calls.map((call) => call.ids)).toEqual([[first], [second]]);
  });

  it("shares its call with at most 99 others", async ({ expect }) => {
    const { calls, submit } = intake();
    const sent = ids(2 * MOST_TOGETHER + 50);
    expect((await Promise.all(sent.map((id) => submit(id)))).map(idOf)).toEqual(sent);
    expect(calls.map((call) => call.ids.length)).toEqual([MOST_TOGETHER, MOST_TOGETHER, 50]);
    expect(calls.flatMap((call) => call.ids)).toEqual(sent);
  });

  it("that is refused or was there already leaves those beside it as they are", async ({ expect }) => {
    const { calls, submit } = intake(async (submissions) =>
      submissions.map((one) => {
        switch (one.name) {
          case "unknown":
            return { ok: false, refusal: { code: "not_found", message: 'there is no task "unknown"' } };
          case "again":
            return ok({ job: jobView({ id: one.job_id }), created: false });
          default:
            return accepted(one);
        }
      }),
    );
    const names = ["hello", "unknown", "hello", "again", "hello"];
    const sent = ids(names.length);
    const answers = await Promise.all(sent.map((id, index) => submit(id, MANY, names[index])));
    expect(calls).toHaveLength(1);
    expect(answers.map((answer) => (answer.ok ? answer.value.created : answer.refusal.code))).toEqual([
      true,
      "not_found",
      true,
      false,
      true,
    ]);
    expect(answers.map(idOf)).toEqual(sent.map((id, index) => (names[index] === "unknown" ? null : id)));
  });

  it("fails with all that share its call, if that fails, and the next call is another", async ({ expect }) => {
    let fails = true;
    const { calls, kept, submit } = intake(async (submissions) => {
      if (fails) {
        throw new Error("the object was reset");
      }
      return submissions.map(accepted);
    });
    const answers = await Promise.allSettled(ids(5).map((id) => submit(id)));
    expect(answers.map((answer) => (answer.status === "rejected" ? String(answer.reason) : "answered"))).toEqual(
      Array.from({ length: 5 }, () => "Error: the object was reset"),
    );
    // What is kept going never fails by itself: nothing listens to it.
    await expect(Promise.all(kept)).resolves.toEqual([undefined]);
    fails = false;
    const [id = ""] = ids(1);
    expect(idOf(await submit(id))).toBe(id);
    expect(calls).toHaveLength(2);
  });

  it("fails alone if the object left it without an answer", async ({ expect }) => {
    const { submit } = intake(async (submissions) => submissions.slice(0, 2).map(accepted));
    const answers = await Promise.allSettled(ids(3).map((id) => submit(id)));
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  });

  it("has its call kept going when the client of the request that makes it leaves", async ({ expect }) => {
    const { calls, kept, submit } = intake();
    const sent = ids(3);
    const answers = sent.map((id) => submit(id));
    // One request makes the call: it alone must go on, and it does until the call is answered.
    expect(kept).toHaveLength(1);
    expect(calls).toEqual([]);
    await Promise.all(kept);
    expect(calls).toHaveLength(1);
    expect((await Promise.all(answers)).map(idOf)).toEqual(sent);
  });

  describe("in the call of another request that is never answered", () => {
    beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
    afterEach(() => void vi.useRealTimers());

    it("is a 503 after 30 s, which says to submit it again", async ({ expect }) => {
      const { calls, submit } = intake(() => new Promise(() => undefined));
      const [first = "", second = ""] = ids(2);
      void submit(first);
      const refused = submit(second).catch((error: unknown) => error);
      while (calls.length === 0) {
        await nextTurn();
      }
      await vi.advanceTimersByTimeAsync(GIVE_UP_MS - 1);
      const state = await Promise.race([refused, nextTurn("waits")]);
      expect(state).toBe("waits");
      await vi.advanceTimersByTimeAsync(1);
      expect(await refused).toMatchObject({
        status: 503,
        message: "the task may have been taken or not; submit it again with the same id",
      });
    });

    it("leaves no timer behind when it is answered", async ({ expect }) => {
      const { submit } = intake();
      await Promise.all(ids(10).map((id) => submit(id)));
      expect(vi.getTimerCount()).toBe(0);
    });
  });
});
