/**
 * Versions of DAGs as JSON, in Airflow's fields.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { stableUuid } from "../stable-uuid.ts";
import { dateTime, iso } from "../time.ts";
import { unavailableField } from "../unavailable.ts";

export const dagVersionSchema = z
  .object({
    id: z.string(),
    version_number: z.number().int(),
    dag_id: z.string(),
    bundle_name: z.string().nullable(),
    bundle_version: z.string().nullable(),
    created_at: dateTime,
    dag_display_name: z.string(),
    bundle_url: z.string().nullable(),
  })
  .openapi("DagVersion");
export type DagVersionJson = z.infer<typeof dagVersionSchema>;

export const dagVersionCollectionSchema = z
  .object({ dag_versions: z.array(dagVersionSchema), total_entries: z.number().int(), ...unavailableField })
  .openapi("DAGVersionCollection");

/** A version of a DAG as the API answers it. */
export function dagVersionJson(dagId: string, version: number, createdAt: number): DagVersionJson;
/** The same; null while the time it was made is not known. */
export function dagVersionJson(dagId: string, version: number, createdAt: number | undefined): DagVersionJson | null;
export function dagVersionJson(dagId: string, version: number, createdAt: number | undefined): DagVersionJson | null {
  if (createdAt === undefined) {
    return null;
  }
  return {
    id: versionId(dagId, version),
    version_number: version,
    dag_id: dagId,
    bundle_name: null,
    bundle_version: null,
    created_at: iso(createdAt),
    dag_display_name: dagId,
    bundle_url: null,
  };
}

const IDS_KEPT = 256;
const ids = new Map<string, string>();

/** Every task instance of a list shows its version, and a hash for each would be most of the work. */
function versionId(dagId: string, version: number): string {
  const key = `${version} ${dagId}`;
  let id = ids.get(key);
  if (id === undefined) {
    id = stableUuid("dag_version", dagId, version);
    if (ids.size >= IDS_KEPT) {
      ids.clear();
    }
    ids.set(key, id);
  }
  return id;
}

// ── what changed between two ──────────────────────────────────────────────────────────────────────────────────────

const fieldChange = z
  .object({
    field: z.string(),
    before: z.unknown().openapi({ description: "Left out where the field was not given" }),
    after: z.unknown().openapi({ description: "Left out where the field is not given" }),
  })
  .partial({ before: true, after: true })
  .openapi("FieldChange");

const partsDiff = z
  .object({
    added: z.array(z.string()),
    removed: z.array(z.string()),
    changed: z.array(z.object({ id: z.string(), fields: z.array(fieldChange) })),
    reordered: z.boolean().openapi({ description: "Those that both versions have stand in another order" }),
  })
  .openapi("PartsDiff");

const edge = z.object({ upstream_task_id: z.string(), downstream_task_id: z.string() });

export const dagVersionChangesSchema = z
  .object({
    dag_id: z.string(),
    version_number: z.number().int(),
    since: z.number().int().openapi({ description: "The version it is compared with; 0 for none" }),
    is_same: z.boolean(),
    fields: z.array(fieldChange).openapi({ description: "Fields of the DAG" }),
    params: partsDiff,
    tasks: partsDiff,
    task_groups: partsDiff,
    edges: z
      .object({ added: z.array(edge), removed: z.array(edge) })
      .openapi({ description: "Also told by `upstream_task_ids` of the tasks" }),
  })
  .openapi("DagVersionChanges");
