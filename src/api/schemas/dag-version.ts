/**
 * Versions of DAGs as JSON, in Airflow's fields.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { stableUuid } from "../stable-uuid.ts";
import { dateTime, iso } from "../time.ts";

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
  .object({ dag_versions: z.array(dagVersionSchema), total_entries: z.number().int() })
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
