/**
 * Where a group begins and where it ends, for edges to and from the whole of it.
 *
 * @module
 */
import type { NodeRecord } from "./nodes.ts";

/** Upstream ids by task id. */
type Upstream = ReadonlyMap<string, ReadonlySet<string>>;

/** The tasks of a group that wait for no other of it. */
export function roots(members: readonly NodeRecord[], upstream: Upstream): string[] {
  const inside = new Set(members.map((member) => member.taskId));
  return members
    .filter((member) => ![...(upstream.get(member.taskId) ?? [])].some((id) => inside.has(id)))
    .map((member) => member.taskId);
}

/**
 * The tasks of a group that no other of it waits for. In the place of a teardown stands what it waits for, so that what
 * comes after the group depends on its work and not on its cleaning up; as in Airflow.
 */
export function leaves(members: readonly NodeRecord[], upstream: Upstream): string[] {
  const byId = new Map(members.map((member) => [member.taskId, member]));
  const awaited = new Set(members.flatMap((member) => [...(upstream.get(member.taskId) ?? [])]));
  const found = new Set<string>();
  const seen = new Set<string>();
  const stepOver = (member: NodeRecord): void => {
    if (seen.has(member.taskId)) {
      return;
    }
    seen.add(member.taskId);
    for (const id of upstream.get(member.taskId) ?? []) {
      const before = byId.get(id);
      if (before?.isTeardown === true) {
        stepOver(before);
      } else if (before !== undefined && !before.isSetup) {
        found.add(id);
      }
    }
  };
  for (const member of members.filter((one) => !awaited.has(one.taskId))) {
    if (member.isTeardown) {
      stepOver(member);
    } else {
      found.add(member.taskId);
    }
  }
  return [...found];
}
