/**
 * A backfill as the outside sees it.
 *
 * @module
 */
import type { BackfillView } from "../../src/engine/backfill-objects.ts";
import type { BackfillRow } from "./backfill-storage.ts";

/** A backfill from its row. */
export function backfillView(dagId: string, { canary_state, canary_until: _until, ...row }: BackfillRow): BackfillView {
  return { ...row, dag_id: dagId, is_waiting_for_canary: canary_state === "waiting" && row.completed_at === null };
}
