/** What each trigger rule does in each case that matters, written down from Airflow's documentation of its rules. */
import type { TriggerRule } from "../../src/engine/spec.ts";
import type { ForcedState } from "../../src/engine/trigger-rules.ts";

/** Upstream task instances by letter: S success, K skipped, F failed, U upstream_failed, R removed, . unfinished. */
export type Upstream = "S" | "K" | "F" | "U" | "R" | ".";

/**
 * Rule, upstreams, forced state, passes; and the map index where it is not -1. Setups are written in brackets:
 * `[S]F` is a setup that succeeded and a task that failed.
 */
export type Row = [
  rule: TriggerRule,
  upstreams: string,
  forced: ForcedState | null,
  passes: boolean,
  mapIndex?: number,
];

const UF = "upstream_failed";

export const TABLE: readonly Row[] = [
  // all_success: failure before skip, both before they are all done
  ["all_success", "SS", null, true],
  ["all_success", "S.", null, false],
  ["all_success", "..", null, false],
  ["all_success", "SF", UF, false],
  ["all_success", "SU", UF, false],
  ["all_success", "F.", UF, false],
  ["all_success", "U.", UF, false],
  ["all_success", "SK", "skipped", false],
  ["all_success", "K.", "skipped", false],
  ["all_success", "KF", UF, false],
  ["all_success", "KU", UF, false],
  // a removed one is not missed; an element beyond what succeeded is removed with it
  ["all_success", "SR", null, true],
  ["all_success", "S.R", null, false],
  ["all_success", "SR", null, true, 0],
  ["all_success", "SR", "removed", true, 1],
  ["all_success", "SR", "removed", true, 2],
  ["all_success", "SSR", null, true, 1],
  ["all_success", "SSR", "removed", true, 2],
  ["all_success", "S.R", "removed", false, 1],
  ["all_success", "RR", null, true, 0],
  ["all_success", "RR", null, true, 5],
  ["all_success", "RR", null, true],
  ["all_success", "SRK", "skipped", false, 3],
  ["all_success", "SRF", UF, false, 3],

  // all_failed: upstream_failed is a failure; a success or a skip settles it at once
  ["all_failed", "FF", null, true],
  ["all_failed", "FU", null, true],
  ["all_failed", "UU", null, true],
  ["all_failed", "F.", null, false],
  ["all_failed", "FS", "skipped", false],
  ["all_failed", "S.", "skipped", false],
  ["all_failed", "K.", "skipped", false],
  ["all_failed", "FK", "skipped", false],
  ["all_failed", "FR", null, true],
  ["all_failed", "FR", null, true, 0],
  ["all_failed", "RR", null, true],
  ["all_failed", "FR.", null, false],

  // all_done: forces nothing, whatever happened
  ["all_done", "SKFUR", null, true],
  ["all_done", "FF", null, true],
  ["all_done", "KK", null, true],
  ["all_done", "RR", null, true],
  ["all_done", "SF.", null, false],

  // all_done_min_one_success: a skip settles it at once; no success at the end is a failure
  ["all_done_min_one_success", "SS", null, true],
  ["all_done_min_one_success", "SF", null, true],
  ["all_done_min_one_success", "SU", null, true],
  ["all_done_min_one_success", "SR", null, true],
  ["all_done_min_one_success", "S.", null, false],
  ["all_done_min_one_success", "F.", null, false],
  ["all_done_min_one_success", "FF", UF, false],
  ["all_done_min_one_success", "UU", UF, false],
  ["all_done_min_one_success", "RR", UF, false],
  ["all_done_min_one_success", "FR", UF, false],
  ["all_done_min_one_success", "SK", "skipped", false],
  ["all_done_min_one_success", "K.", "skipped", false],
  ["all_done_min_one_success", "KF", "skipped", false],
  ["all_done_min_one_success", "SR", null, true, 0],
  ["all_done_min_one_success", "SFR", null, true, 2],
  ["all_done_min_one_success", "SR.", null, false],

  // all_done_setup_success: waits for all; then one setup must have succeeded, if there are any
  ["all_done_setup_success", "S", null, true],
  ["all_done_setup_success", "F", null, true],
  ["all_done_setup_success", "K", null, true],
  ["all_done_setup_success", "F.", null, false],
  ["all_done_setup_success", "[S]S", null, true],
  ["all_done_setup_success", "[S]F", null, true],
  ["all_done_setup_success", "[S]K", null, true],
  ["all_done_setup_success", "[S].", null, false],
  ["all_done_setup_success", "[K]K", "skipped", false],
  ["all_done_setup_success", "[K]S", "skipped", false],
  ["all_done_setup_success", "[K].", null, false],
  ["all_done_setup_success", "[F]U", UF, false],
  ["all_done_setup_success", "[U]U", UF, false],
  ["all_done_setup_success", "[R]S", UF, false],
  ["all_done_setup_success", "[F].", null, false],
  ["all_done_setup_success", "[S][F]S", null, true],
  ["all_done_setup_success", "[S][K]S", null, true],
  ["all_done_setup_success", "[F][K]S", UF, false],
  ["all_done_setup_success", "[K][K]S", "skipped", false],

  // one_success: the first success is enough; without one, it waits for all
  ["one_success", "S.", null, true],
  ["one_success", "SF", null, true],
  ["one_success", "SK", null, true],
  ["one_success", "F.", null, false],
  ["one_success", "K.", null, false],
  ["one_success", "KK", "skipped", false],
  ["one_success", "FF", UF, false],
  ["one_success", "FK", UF, false],
  ["one_success", "UK", UF, false],
  ["one_success", "RK", UF, false],

  // one_failed: the first failure is enough, upstream_failed included
  ["one_failed", "F.", null, true],
  ["one_failed", "U.", null, true],
  ["one_failed", "FS", null, true],
  ["one_failed", "S.", null, false],
  ["one_failed", "SS", "skipped", false],
  ["one_failed", "SK", "skipped", false],
  ["one_failed", "KK", "skipped", false],
  ["one_failed", "RS", "skipped", false],

  // one_done: success and failed count; skipped and upstream_failed do not
  ["one_done", "S.", null, true],
  ["one_done", "F.", null, true],
  ["one_done", "U.", null, false],
  ["one_done", "K.", null, false],
  ["one_done", "UF", null, true],
  ["one_done", "UU", "skipped", false],
  ["one_done", "KU", "skipped", false],
  ["one_done", "KK", "skipped", false],
  ["one_done", "RR", "skipped", false],

  // none_failed: skips are as good as successes
  ["none_failed", "SS", null, true],
  ["none_failed", "SK", null, true],
  ["none_failed", "KK", null, true],
  ["none_failed", "S.", null, false],
  ["none_failed", "F.", UF, false],
  ["none_failed", "U.", UF, false],
  ["none_failed", "KF", UF, false],
  ["none_failed", "SR", null, true],
  ["none_failed", "SR", null, true, 0],
  ["none_failed", "RR", null, true],
  ["none_failed", "SR.", null, false],

  // none_failed_min_one_success: the same, but all skipped is a skip, and no success at the end is a failure
  ["none_failed_min_one_success", "SS", null, true],
  ["none_failed_min_one_success", "SK", null, true],
  ["none_failed_min_one_success", "KK", "skipped", false],
  ["none_failed_min_one_success", "K.", null, false],
  ["none_failed_min_one_success", "F.", UF, false],
  ["none_failed_min_one_success", "U.", UF, false],
  ["none_failed_min_one_success", "KU", UF, false],
  ["none_failed_min_one_success", "SR", null, true],
  ["none_failed_min_one_success", "SR", null, true, 0],
  ["none_failed_min_one_success", "SR.", null, false],
  ["none_failed_min_one_success", "RR", UF, false],
  ["none_failed_min_one_success", "KR", UF, false],
  ["none_failed_min_one_success", "R.", null, false],

  // none_skipped: everything else will do
  ["none_skipped", "SF", null, true],
  ["none_skipped", "UR", null, true],
  ["none_skipped", "FF", null, true],
  ["none_skipped", "S.", null, false],
  ["none_skipped", "K.", "skipped", false],
  ["none_skipped", "SK", "skipped", false],

  // all_skipped: anything else settles it at once, but a removed one only keeps it from passing
  ["all_skipped", "KK", null, true],
  ["all_skipped", "K.", null, false],
  ["all_skipped", "S.", "skipped", false],
  ["all_skipped", "F.", "skipped", false],
  ["all_skipped", "U.", "skipped", false],
  ["all_skipped", "KS", "skipped", false],
  ["all_skipped", "KR", null, false],
  ["all_skipped", "KR", null, false, 0],

  // always: waits for nothing
  ["always", "..", null, true],
  ["always", "FUKR", null, true],
];
