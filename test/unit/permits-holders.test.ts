import fc from "fast-check";
import { describe, test } from "vitest";
import {
  describeHolder,
  holderName,
  jobHolderName,
  jobOfOwner,
  jobOwnerName,
  parseHolder,
} from "../../src/engine/permits/holders.ts";

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("__proto__", '","', "a\u0000b", "\ud800"),
);

describe("names of holders", () => {
  test("are read as what they were made of, and are never alike", ({ expect }) => {
    let read = 0;
    const keys = fc.tuple(text, text, fc.integer({ min: -1 }), fc.nat());
    fc.assert(
      fc.property(keys, keys, (one, other) => {
        const nameOf = ([run_id, task_id, map_index, token]: typeof one): string =>
          holderName({ run_id, task_id, map_index }, token);
        const [run_id, task_id, map_index, token] = one;
        const isRead =
          JSON.stringify(parseHolder(nameOf(one))) === JSON.stringify({ run_id, task_id, map_index, token });
        read += Number(isRead);
        return isRead && (nameOf(one) === nameOf(other)) === (JSON.stringify(one) === JSON.stringify(other));
      }),
    );
    expect(read).toBeGreaterThan(0);
  });

  test.for([
    "",
    "null",
    "{}",
    "[",
    "[1]",
    '["r"]',
    '["r","t",0]',
    '["r","t","0",1]',
    '[1,"t",0,1]',
    '["r","t",0,null]',
    "7",
  ])("that are none are no task instance: %s", (holder, { expect }) => {
    expect(parseHolder(holder)).toBeNull();
  });

  test("of jobs are no task instances, and their owners no DAGs", ({ expect }) => {
    expect(parseHolder(jobHolderName(3))).toBeNull();
    expect(jobOfOwner(jobOwnerName("01J"))).toBe("01J");
    expect(jobOfOwner("etl")).toBeNull();
    expect(jobOfOwner("@batch:01J")).toBeNull();
    expect(jobOfOwner("job")).toBeNull();
  });

  test("are told in words", ({ expect }) => {
    const key = { run_id: "r1", task_id: "load", map_index: 3 };
    expect(describeHolder("etl", holderName(key, 1))).toBe('load[3] of run "r1" of DAG "etl"');
    expect(describeHolder("etl", holderName({ ...key, map_index: -1 }, 1))).toBe('load of run "r1" of DAG "etl"');
    expect(describeHolder(jobOwnerName("01J"), jobHolderName(1))).toBe("job 01J");
    expect(describeHolder("etl", "what")).toBe("etl what");
  });
});
