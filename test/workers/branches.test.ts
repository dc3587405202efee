import { describe, it } from "vitest";
import { branch } from "../../src/sdk/index.ts";
import { instanceOf, settle, start, statesOf, stopClock } from "./lab.ts";
import { addDag, fresh, step } from "./registry.ts";

stopClock();

describe("a branch's answer", () => {
  it("chooses what follows", async ({ expect }) => {
    const choose = branch({ id: fresh("choose") }, () => "b");
    const dagId = addDag({}, (d) => d.after(d.run(choose), [d.run(step("a")), d.run(step("b"))]));
    const runId = await start(dagId);
    await settle(dagId, runId);
    expect(await statesOf(dagId, runId)).toEqual({ [choose.id]: "success", a: "skipped", b: "success" });
  });

  it.for([
    ["an id that the DAG has not", "c", "result: expected the id of a task or group of the branch's DAG, got 'c'"],
    [
      "a list with such an id",
      ["a", "c"],
      "result[1]: expected the id of a task or group of the branch's DAG, got 'c'",
    ],
    ["what is no id", 5, "result: expected an id, a list of ids or null, got 5"],
    ["a list with what is no id", ["a", null], "result[1]: expected the id of a task or group, got null"],
  ] as const)("fails the try, and says where and what would do: %s", async ([, answer, message], { expect }) => {
    const wrong = branch({ id: fresh("wrong") }, () => answer as string);
    const dagId = addDag({}, (d) => d.after(d.run(wrong), [d.run(step("a")), d.run(step("b"))]));
    const runId = await start(dagId);
    await settle(dagId, runId);
    expect(await statesOf(dagId, runId)).toEqual({
      [wrong.id]: "failed",
      a: "upstream_failed",
      b: "upstream_failed",
    });
    expect((await instanceOf(dagId, runId, wrong.id)).error).toMatchObject({
      type: "BranchError",
      message: `${message}; directly downstream are 'a', 'b'`,
    });
  });
});
