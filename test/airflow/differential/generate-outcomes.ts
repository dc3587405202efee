/**
 * Random outcomes for the tries of a DAG's tasks.
 *
 * @module
 */
import type { Json } from "../../../src/engine/spec.ts";
import type { Draft, TaskInput } from "./generate.ts";
import type { Outcome } from "./scenario.ts";

const MAP_INDEXES = 3;

/** An outcome for each of the first tries of each task, and for some elements of those that are mapped. */
export function makeOutcomes(draft: Draft): Record<string, Outcome[]> {
  const outcomes: Record<string, Outcome[]> = {};
  for (const task of draft.tasks) {
    if (task.operator === "empty" || task.operator === "latest_only") {
      continue;
    }
    outcomes[task.task_id] = tries(draft, task);
    const mapped = task.expand !== undefined || task.task_group_id === "mapped";
    for (let element = 0; element < (mapped ? MAP_INDEXES : 0); element += 1) {
      if (draft.dice.chance(0.5)) {
        outcomes[`${task.task_id}[${element}]`] = tries(draft, task);
      }
    }
  }
  return outcomes;
}

function tries(draft: Draft, task: TaskInput): Outcome[] {
  const { dice } = draft;
  return Array.from({ length: dice.int(1, 3) }, (): Outcome => {
    const what = dice.weighted({ return: 74, fail: 16, fail_for_good: 3, skip: 7 });
    return what === "return" ? { do: "return", value: valueOf(draft, task) } : { do: what };
  });
}

function valueOf(draft: Draft, task: TaskInput): Json {
  const { dice } = draft;
  switch (task.operator) {
    case "branch":
      return choice(draft, task);
    case "short_circuit":
      return dice.chance(0.5);
    default:
      if (draft.producers.has(task.task_id)) {
        return Array.from({ length: dice.int(0, 3) }, (_, element) => element);
      }
      return dice.chance(0.04) ? null : 1;
  }
}

/** Which way a branch goes: some of what follows it directly, a group among it, or nothing. */
function choice({ dice, tasks, groups }: Draft, branch: TaskInput): Json {
  const next = tasks.filter((task) => task.upstream_task_ids?.includes(branch.task_id) === true);
  if (next.length === 0 || dice.chance(0.12)) {
    return dice.chance(0.5) ? null : [];
  }
  const chosen = dice.some(next, dice.int(1, next.length));
  const ids = chosen.map((task) => {
    const group = groups.find((one) => one.group_id === task.task_group_id && one.expand === undefined);
    return group !== undefined && dice.chance(0.3) ? group.group_id : task.task_id;
  });
  const [only] = ids;
  return ids.length === 1 && only !== undefined && dice.chance(0.5) ? only : [...new Set(ids)];
}
