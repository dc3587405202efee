/**
 * A DAG under construction: what was wired so far, and how it becomes a spec.
 *
 * @module
 */
import { feedingTasks } from "../engine/expansion.ts";
import type { DagSpecInput } from "../engine/spec.ts";
import { findTemplateRefs } from "../engine/validate-spec/references.ts";
import { leaves, roots } from "./group-ends.ts";
import type { GroupRecord, NodeRecord, Wiring } from "./nodes.ts";
import { handlerName } from "./task-fields.ts";
import type { TaskSpecInput } from "./task-fields.ts";

/** A mistake of the author: where, and what was expected. */
export interface Problem {
  /** e.g. `task "load", retryDelay`. */
  where: string;
  message: string;
}

type Member = NodeRecord | GroupRecord;

/** Gathers tasks, groups and edges. Mistakes are gathered too, so that the author sees all of them at once. */
export class DagBuilder implements Wiring {
  readonly problems: Problem[] = [];
  readonly nodes = new Map<string, NodeRecord>();
  readonly groups: GroupRecord[] = [];
  readonly #edges: { from: Member; to: Member }[] = [];

  report(where: string, message: string): void {
    this.problems.push({ where, message });
  }

  addNode(node: NodeRecord): void {
    if (this.nodes.has(node.taskId)) {
      const message = "expected every task to be used once under one id, got it again: give one of them another { id }";
      this.report(`task "${node.taskId}"`, message);
      return;
    }
    this.nodes.set(node.taskId, node);
  }

  /** A mapped group waits for what feeds it, and counts as doing so where the ends of a group around it are looked for. */
  addGroup(group: GroupRecord): void {
    this.groups.push(group);
    for (const id of group.expand === undefined ? [] : feedingTasks(group.expand)) {
      const feeding = this.nodes.get(id);
      if (feeding !== undefined) {
        this.addEdge(feeding, group);
      }
    }
  }

  addEdge(from: Member, to: Member): void {
    this.#edges.push({ from, to });
  }

  /** Tasks and groups as the spec has them. Edges that data makes are left to the spec's validation. */
  compile(): Required<Pick<DagSpecInput, "tasks" | "task_groups">> {
    const explicit = this.#resolveEdges();
    return {
      task_groups: this.groups.map((group) => ({
        group_id: group.groupId,
        parent_group_id: group.parent?.groupId,
        tooltip: group.tooltip,
        expand: group.expand,
      })),
      tasks: [...this.nodes.values()].map((node) => taskSpec(node, [...(explicit.get(node.taskId) ?? [])])),
    };
  }

  /**
   * Edges between tasks, from those between tasks and groups. Innermost first: where a group begins and ends depends on
   * the edges inside it.
   */
  #resolveEdges(): Map<string, Set<string>> {
    const explicit = new Map<string, Set<string>>();
    const all = new Map([...this.nodes.values()].map((node) => [node.taskId, dataUpstream(node)]));
    const link = (from: string, to: string): void => {
      explicit.set(to, (explicit.get(to) ?? new Set()).add(from));
      all.get(to)?.add(from);
    };
    const byDepth = this.#edges.toSorted((a, b) => commonDepth(b) - commonDepth(a));
    for (const { from, to } of byDepth) {
      if (isInside(from, to) || isInside(to, from)) {
        this.report(nameOf(to), `expected edges between separate tasks and groups, got one from ${nameOf(from)}`);
        continue;
      }
      const sources = "groupId" in from ? leaves(this.#members(from), all) : [from.taskId];
      const targets = "groupId" in to ? roots(this.#members(to), all) : [to.taskId];
      sources.forEach((source) => targets.forEach((target) => link(source, target)));
    }
    return explicit;
  }

  #members(group: GroupRecord): NodeRecord[] {
    return [...this.nodes.values()].filter((node) => isInside(node, group));
  }
}

function taskSpec(node: NodeRecord, upstream: string[]): TaskSpecInput {
  const { definition, group } = node;
  return {
    ...node.fields,
    task_id: node.taskId,
    handler: handlerName(definition),
    operator: definition.operator,
    input: node.input,
    expand: node.expand,
    upstream_task_ids: upstream,
    task_group_id: group?.groupId,
    is_setup: node.isSetup,
    is_teardown: node.isTeardown,
    on_failure_fail_dagrun: node.onFailureFailDagrun,
    ignore_downstream_trigger_rules: definition.ignoreDownstreamTriggerRules,
  };
}

function dataUpstream(node: NodeRecord): Set<string> {
  const { refs } = findTemplateRefs(node.input ?? null, []);
  const ids = refs.flatMap(({ ref }) => (ref.$ref === "xcom" ? [ref.task_id] : []));
  return new Set([...ids, ...(node.expand === undefined ? [] : feedingTasks(node.expand))]);
}

/** The groups around a member, the outermost first. */
function around(member: Member): GroupRecord[] {
  const chain: GroupRecord[] = [];
  let group = "groupId" in member ? member.parent : member.group;
  while (group !== null) {
    chain.unshift(group);
    group = group.parent;
  }
  return chain;
}

function isInside(member: Member, group: Member): boolean {
  return member === group ? "groupId" in member : around(member).some((outer) => outer === group);
}

function commonDepth({ from, to }: { from: Member; to: Member }): number {
  const outside = around(to);
  const shared = around(from).findIndex((group, depth) => group !== outside[depth]);
  return shared === -1 ? Math.min(around(from).length, outside.length) : shared;
}

function nameOf(member: Member): string {
  return "groupId" in member ? `group "${member.groupId}"` : `task "${member.taskId}"`;
}
