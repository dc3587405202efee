import { test, vi } from "vitest";
import type * as Dependencies from "../../src/engine/dependencies.ts";
import type * as States from "../../src/engine/states.ts";
import { Run, over, task } from "./run-machine-support.ts";

/** What the machine did: judged the dependencies of an instance, looked at the state of one. */
const work = vi.hoisted(() => ({ judged: 0, looked: 0 }));

vi.mock("../../src/engine/dependencies.ts", async (importOriginal) => {
  const original = await importOriginal<typeof Dependencies>();
  const checkDependencies: typeof original.checkDependencies = (nodes, instance) => {
    work.judged += 1;
    return original.checkDependencies(nodes, instance);
  };
  return { ...original, checkDependencies };
});

vi.mock("../../src/engine/states.ts", async (importOriginal) => {
  const original = await importOriginal<typeof States>();
  const isScheduleable = ((state) => {
    work.looked += 1;
    return original.isScheduleable(state);
  }) as typeof original.isScheduleable;
  const isFinished = ((state) => {
    work.looked += 1;
    return original.isFinished(state);
  }) as typeof original.isFinished;
  return { ...original, isScheduleable, isFinished };
});

const WIDTH = 9999;

test("an event costs the edges it touches: 1 -> 9,999 -> 9,999 by element -> 1", ({ expect }) => {
  const inGroup = { task_group_id: "g" };
  const run = new Run([task("list"), task("a", ["list"], inGroup), task("b", ["a"], inGroup), task("end", ["b"])], {
    max_map_length: 20_000,
    task_groups: [{ group_id: "g", expand: over("list") }],
  });
  const before = work.looked;
  run.give("list", WIDTH);
  expect(run.machine.state.total).toBe(2 * WIDTH + 2);
  // Expanding looks at each new instance a few times, once.
  expect(work.looked - before).toBeLessThan(30 * WIDTH);

  const halves: (typeof work)[] = [];
  for (const [from, to] of [[0, 5000] as const, [5000, WIDTH] as const]) {
    const start = { ...work };
    for (let index = from; index < to; index += 1) {
      run.succeed(`a[${index}]`);
      run.succeed(`b[${index}]`);
    }
    halves.push({ judged: work.judged - start.judged, looked: work.looked - start.looked });
  }
  const [first, second] = halves;
  run.succeed("end");
  expect(run.outcome).toBe("success: success");

  // Every a[i] judges b[i], every b[i] judges the end.
  expect(first?.judged).toBeGreaterThanOrEqual(5000);
  expect(first?.judged).toBeLessThanOrEqual(2 * 5000);
  expect(second?.judged).toBeLessThanOrEqual((first?.judged ?? 0) + 2);
  expect(first?.looked).toBeLessThan(5000 * 100);
  expect(second?.looked).toBeLessThanOrEqual((first?.looked ?? 0) + 100);
});

test("an end that depends on everything is looked at once an event, not once an element", ({ expect }) => {
  const run = new Run(
    [
      task("list"),
      task("a", ["list"], { expand: over("list") }),
      task("b", ["a"], { expand: over("a"), trigger_rule: "all_done" }),
    ],
    { max_map_length: 20_000 },
  );
  run.give("list", WIDTH);
  const start = { ...work };
  for (let index = 0; index < WIDTH; index += 1) {
    run.give(`a[${index}]`, 1);
  }
  expect(run.state(`b[${WIDTH - 1}]`)).toBe("queued");
  expect(work.judged - start.judged).toBeLessThan(4 * WIDTH);
  expect(work.looked - start.looked).toBeLessThan(100 * WIDTH);
});
