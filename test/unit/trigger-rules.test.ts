import fc from "fast-check";
import { describe, test } from "vitest";
import { TRIGGER_RULES } from "../../src/engine/spec.ts";
import type { TriggerRule } from "../../src/engine/spec.ts";
import {
  evaluateSetups,
  evaluateTriggerRule,
  explainSetups,
  explainTriggerRule,
} from "../../src/engine/trigger-rules.ts";
import type { ForcedState, UpstreamCounts } from "../../src/engine/trigger-rules.ts";
import { TABLE } from "./trigger-rule-table.ts";
import type { Upstream } from "./trigger-rule-table.ts";

const UF = "upstream_failed";

function countsOf(upstreams: readonly Upstream[], setups: readonly boolean[] = []): UpstreamCounts {
  const count = (letter: Upstream) => upstreams.filter((upstream) => upstream === letter).length;
  const setupCount = (letter: Upstream) =>
    upstreams.filter((upstream, i) => upstream === letter && setups[i] === true).length;
  return {
    total: upstreams.length,
    success: count("S"),
    skipped: count("K"),
    failed: count("F"),
    upstreamFailed: count("U"),
    removed: count("R"),
    setupTotal: setups.filter(Boolean).length,
    setupSuccess: setupCount("S"),
    setupSkipped: setupCount("K"),
  };
}

function upstreamsOf(letters: string): Upstream[] {
  return letters.split("").filter((letter): letter is Upstream => "SKFUR.".includes(letter));
}

function parse(text: string): { upstreams: Upstream[]; setups: boolean[] } {
  const setups: boolean[] = [];
  let inside = false;
  for (const letter of text) {
    if (letter === "[" || letter === "]") {
      inside = letter === "[";
    } else {
      setups.push(inside);
    }
  }
  return { upstreams: upstreamsOf(text), setups };
}

describe("a trigger rule", () => {
  test.for(TABLE)("%s with %s forces %s, passes: %s", ([rule, text, forced, passes, mapIndex = -1], { expect }) => {
    const { upstreams, setups } = parse(text);
    expect(evaluateTriggerRule(rule, countsOf(upstreams, setups), mapIndex)).toEqual({ forced, passes });
  });

  test("has rows in the table, of a pass and (but for always) of a wait, whichever it is", ({ expect }) => {
    for (const rule of TRIGGER_RULES) {
      const rows = TABLE.filter((row) => row[0] === rule);
      expect(
        rows.some((row) => row[3]),
        rule,
      ).toBe(true);
      expect(
        rows.some((row) => !row[3]),
        rule,
      ).toBe(rule !== "always");
    }
  });

  test("passes and forces nothing where there is no upstream, whichever it is", ({ expect }) => {
    for (const rule of TRIGGER_RULES) {
      expect(evaluateTriggerRule(rule, countsOf([]), -1), rule).toEqual({ forced: null, passes: true });
      expect(evaluateTriggerRule(rule, countsOf([]), 3), rule).toEqual({ forced: null, passes: true });
    }
  });

  test("takes the number of finished ones from outside where it is given", ({ expect }) => {
    const counts = { ...countsOf(["S", "S"]), total: 3 };
    expect(evaluateTriggerRule("all_done", counts, -1).passes).toBe(false);
    expect(evaluateTriggerRule("all_done", { ...counts, done: 3 }, -1).passes).toBe(true);
  });
});

/** Asks whether a state is one of these letters. */
function is(letters: string): (up: Upstream) => boolean {
  return (up) => letters.includes(up);
}

/** The first state whose condition holds. */
function first(...choices: [boolean, ForcedState][]): ForcedState | null {
  return choices.find(([holds]) => holds)?.[1] ?? null;
}

/** The rules once more, asked of the list of states in place of counters. */
function naiveVerdict(rule: TriggerRule, ups: Upstream[], setups: boolean[], mapIndex: number) {
  const finished = !ups.some(is("."));
  const seen = ups.filter((up) => up !== "R");
  const ofSetups = ups.filter((_, i) => setups[i]);
  const failure = ups.some(is("FU"));
  const successes = ups.filter(is("S")).length;
  if (ups.length === 0) {
    return { forced: null, passes: true };
  }
  switch (rule) {
    case "always":
      return { forced: null, passes: true };
    case "all_done":
      return { forced: null, passes: finished };
    case "all_success":
      return {
        forced: first(
          [failure, UF],
          [ups.some(is("K")), "skipped"],
          [ups.some(is("R")) && successes > 0 && mapIndex >= 0 && mapIndex >= successes, "removed"],
        ),
        passes: seen.every(is("S")),
      };
    case "all_failed":
      return { forced: first([ups.some(is("SK")), "skipped"]), passes: seen.every(is("FU")) };
    case "all_done_min_one_success":
      return {
        forced: first([ups.some(is("K")), "skipped"], [finished && successes === 0, UF]),
        passes: finished && !ups.some(is("K")) && successes > 0,
      };
    case "all_done_setup_success":
      return {
        forced:
          finished && ofSetups.length > 0
            ? first([ofSetups.every(is("K")), "skipped"], [!ofSetups.some(is("S")), UF])
            : null,
        passes: finished && (ofSetups.length === 0 || ofSetups.some(is("S"))),
      };
    case "one_success":
      return {
        forced: finished ? first([ups.every(is("K")), "skipped"], [successes === 0, UF]) : null,
        passes: successes > 0,
      };
    case "one_failed":
      return { forced: first([finished && !failure, "skipped"]), passes: failure };
    case "one_done":
      return { forced: first([finished && !ups.some(is("SF")), "skipped"]), passes: ups.some(is("SF")) };
    case "none_failed":
      return { forced: first([failure, UF]), passes: seen.every(is("SK")) };
    case "none_failed_min_one_success":
      return {
        forced: first([failure, UF], [ups.every(is("K")), "skipped"], [finished && successes === 0, UF]),
        passes: seen.every(is("SK")) && successes > 0,
      };
    case "none_skipped":
      return { forced: first([ups.some(is("K")), "skipped"]), passes: finished && !ups.some(is("K")) };
    case "all_skipped":
      return { forced: first([ups.some(is("SFU")), "skipped"]), passes: ups.every(is("K")) };
  }
}

function* tuples<T>(items: readonly T[], length: number): Generator<T[]> {
  if (length === 0) {
    yield [];
    return;
  }
  for (const rest of tuples(items, length - 1)) {
    for (const item of items) {
      yield [...rest, item];
    }
  }
}

describe("every rule", () => {
  test("agrees with the rules asked of states, for all outcomes of up to 4 upstreams, any of them setups", ({
    expect,
  }) => {
    const letters: Upstream[] = ["S", "K", "F", "U", "R", "."];
    let compared = 0;
    const wrong: unknown[] = [];
    for (let size = 0; size <= 4; size++) {
      for (const upstreams of tuples(letters, size)) {
        for (const setups of tuples([false, true], size)) {
          const counts = countsOf(upstreams, setups);
          for (const rule of TRIGGER_RULES) {
            for (const mapIndex of [-1, 0, 1, 4]) {
              const actual = evaluateTriggerRule(rule, counts, mapIndex);
              const expected = naiveVerdict(rule, upstreams, setups, mapIndex);
              compared += 1;
              if (actual.forced !== expected.forced || actual.passes !== expected.passes) {
                wrong.push({ rule, upstreams, setups, mapIndex, actual, expected });
              }
            }
          }
        }
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
    expect(compared).toBeGreaterThan(1_000_000);
  });

  test("explains itself exactly when it does not pass, with its name and its counters", ({ expect }) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...TRIGGER_RULES),
        fc.array(fc.constantFrom<Upstream>("S", "K", "F", "U", "R", "."), { maxLength: 6 }),
        fc.integer({ min: -1, max: 6 }),
        (rule, upstreams, mapIndex) => {
          const counts = countsOf(upstreams);
          const reason = explainTriggerRule(rule, counts, mapIndex);
          if (evaluateTriggerRule(rule, counts, mapIndex).passes) {
            expect(reason).toBe("");
          } else {
            expect(reason).toContain(`Task's trigger rule '${rule}' requires `);
            expect(reason).toContain(`success=${counts.success}, skipped=${counts.skipped}, failed=${counts.failed}`);
            expect(reason).toContain(`of ${counts.total} upstream task instance`);
          }
        },
      ),
    );
  });

  test("explains setups by their own counters", ({ expect }) => {
    const { upstreams, setups } = parse("[K][F]S");
    expect(explainTriggerRule("all_done_setup_success", countsOf(upstreams, setups), -1)).toBe(
      "Task's trigger rule 'all_done_setup_success' requires all upstream tasks to have completed and, if there are setups, one of them succeeded, " +
        "but found success=1, skipped=1, failed=1, upstream_failed=0, removed=0, done=3, success_setup=0, skipped_setup=1, setup=2 of 3 upstream task instances.",
    );
  });
});

describe("indirect setups", () => {
  test.for<[string, ForcedState | null, boolean, number?]>([
    ["", null, true],
    ["SS", null, true],
    ["S.", null, false],
    ["F.", UF, false],
    ["U.", UF, false],
    ["KF", UF, false],
    ["K.", "skipped", false],
    ["SR", null, false],
    ["SR", null, true, 0],
    ["SR", "removed", true, 1],
  ])("in states '%s' force %s, pass: %s", ([text, forced, passes, mapIndex = -1], { expect }) => {
    const counts = countsOf(upstreamsOf(text));
    expect(evaluateSetups(counts, mapIndex)).toEqual({ forced, passes });
    expect(explainSetups(counts, mapIndex) === "").toBe(passes);
  });
});
