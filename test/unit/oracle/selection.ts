/**
 * Which cells a clear or a mark means, said task by task: no graph is walked but by asking what is behind what.
 *
 * @module
 */
import { allDownstream, downstreamOf, expansionOf, mappedGroupOf, taskOf, type Cell, type World } from "./world.ts";

/** A task, or one of its elements. */
export type Name = string | [string, number];

/** What a user asks for. `isOneRun`: the request names a run, and not all of them. */
export interface Request {
  names: readonly Name[];
  upstream: boolean;
  downstream: boolean;
  isOneRun: boolean;
}

type Direction = "upstream" | "downstream";

/** Cells that a clear resets. */
export function clearedCells(world: World, { names, upstream, downstream, isOneRun }: Request): Cell[] {
  let chosen: readonly Name[] = names;
  const directions: Direction[] = [
    ...(upstream ? ["upstream" as const] : []),
    ...(downstream ? ["downstream" as const] : []),
  ];
  if (isOneRun) {
    // Downstream is asked of what upstream has added, too.
    for (const direction of directions) {
      chosen = [...chosen, ...around(world, chosen, direction)];
    }
  } else {
    const ids = names.map(idOf);
    chosen = [...names, ...directions.flatMap((direction) => around(world, ids, direction))];
  }
  const ids = new Set(chosen.map(idOf));
  const partners = [...ids].flatMap((id) => [...setupsAndTeardowns(world, id), ...teardowns(world, id)]);
  return cellsNamed(world, [...chosen, ...partners.filter((id) => !ids.has(id))]);
}

/** Cells that a mark changes. */
export function markedCells(world: World, { names, upstream, downstream }: Request): Cell[] {
  const ids = names.map(idOf);
  return cellsNamed(world, [
    ...names,
    ...(upstream ? ids.flatMap((id) => above(world, id)) : []),
    ...(downstream ? ids.flatMap((id) => below(world, id)).filter((id) => !taskOf(world, id).is_teardown) : []),
  ]);
}

/** Ids of the tasks of which a mark clears what has failed. */
export function belowMarked(world: World, names: readonly Name[]): string[] {
  const ids = names.map(idOf);
  return around(world, ids, "downstream")
    .map(idOf)
    .filter((id) => !ids.includes(id));
}

/** What lies in a direction of tasks and elements. An element knows its own kind only inside its mapped group. */
function around(world: World, names: readonly Name[], direction: Direction): Name[] {
  return names.flatMap((name): Name[] => {
    const id = idOf(name);
    if (typeof name === "string" || expansionOf(world, taskOf(world, id)) === null) {
      return aroundTask(world, id, direction);
    }
    const group = mappedGroupOf(world, taskOf(world, id));
    const relatives = direction === "upstream" ? above(world, id) : below(world, id);
    return relatives.flatMap((other): Name[] =>
      group !== null && mappedGroupOf(world, taskOf(world, other)) === group
        ? [[other, name[1]]]
        : [other, ...aroundTask(world, other, direction)],
    );
  });
}

function aroundTask(world: World, id: string, direction: Direction): string[] {
  if (direction === "upstream") {
    const found = above(world, id);
    return [...found, ...[...found, id].flatMap((other) => teardowns(world, other))];
  }
  const found = below(world, id);
  return [...found, ...[...found, id].flatMap((other) => setupsAndTeardowns(world, other))];
}

/** Of a task that is neither setup nor teardown: the setups above it that it is in the scope of, with their teardowns. */
function setupsAndTeardowns(world: World, id: string): string[] {
  const task = taskOf(world, id);
  if (task.is_setup || task.is_teardown) {
    return [];
  }
  const behind = below(world, id);
  return above(world, id)
    .filter((setup) => taskOf(world, setup).is_setup)
    .map((setup) => [setup, teardowns(world, setup)] as const)
    .filter(([, closing]) => closing.length === 0 || closing.some((teardown) => behind.includes(teardown)))
    .flatMap(([setup, closing]) => [setup, ...closing]);
}

/** The teardowns right behind a setup. */
function teardowns(world: World, id: string): string[] {
  const after = downstreamOf(world, id).filter((task) => task.is_teardown);
  return taskOf(world, id).is_setup ? after.map((task) => task.task_id) : [];
}

function below(world: World, id: string): string[] {
  return [...allDownstream(world, id)];
}

function above(world: World, id: string): string[] {
  return world.spec.tasks.map((task) => task.task_id).filter((other) => allDownstream(world, other).has(id));
}

function idOf(name: Name): string {
  return typeof name === "string" ? name : name[0];
}

function cellsNamed(world: World, names: readonly Name[]): Cell[] {
  return world.cells.filter(({ task, index }) =>
    names.some((name) =>
      typeof name === "string" ? name === task.task_id : name[0] === task.task_id && name[1] === index,
    ),
  );
}
