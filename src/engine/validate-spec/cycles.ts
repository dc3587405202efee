/**
 * Finds the circles in a graph of tasks.
 *
 * @module
 */

/** Cycles that are told at most: each costs a walk over the whole graph. */
const MOST_CYCLES = 20;

/**
 * Lists cycles that share no task, each in the order of execution and beginning with its first task in `order`:
 * `["a", "b", "c"]` for `a -> b -> c -> a`. Of many the first twenty. Empty if and only if the graph has no cycle.
 */
export function findCycles(order: readonly string[], upstreamOf: (id: string) => ReadonlySet<string>): string[][] {
  const rest = new Set(order);
  const cycles: string[][] = [];
  for (;;) {
    removeRunnable(rest, upstreamOf);
    const [start] = rest;
    if (start === undefined || cycles.length === MOST_CYCLES) {
      return cycles;
    }
    const cycle = walkBack(start, rest, upstreamOf);
    cycles.push(startFirst(cycle, order));
    cycle.forEach((id) => rest.delete(id));
  }
}

/** Takes out every task whose upstream tasks are all out, as a run without failures would finish them. */
function removeRunnable(rest: Set<string>, upstreamOf: (id: string) => ReadonlySet<string>): void {
  const downstream = new Map<string, string[]>();
  const waitingFor = new Map<string, number>();
  for (const id of rest) {
    const upstream = [...upstreamOf(id)].filter((other) => rest.has(other));
    waitingFor.set(id, upstream.length);
    for (const other of upstream) {
      const list = downstream.get(other);
      if (list === undefined) {
        downstream.set(other, [id]);
      } else {
        list.push(id);
      }
    }
  }
  const ready = [...rest].filter((id) => waitingFor.get(id) === 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    rest.delete(id);
    for (const next of downstream.get(id) ?? []) {
      const left = (waitingFor.get(next) ?? 0) - 1;
      waitingFor.set(next, left);
      if (left === 0) {
        ready.push(next);
      }
    }
  }
}

/** Every task that is left waits for another that is left, so that walking back must come round. */
function walkBack(start: string, rest: ReadonlySet<string>, upstreamOf: (id: string) => ReadonlySet<string>): string[] {
  const trail: string[] = [];
  const placeOf = new Map<string, number>();
  let id: string | undefined = start;
  while (id !== undefined && !placeOf.has(id)) {
    placeOf.set(id, trail.length);
    trail.push(id);
    id = [...upstreamOf(id)].find((other) => rest.has(other));
  }
  return trail.slice(id === undefined ? 0 : placeOf.get(id)).toReversed();
}

function startFirst(cycle: readonly string[], order: readonly string[]): string[] {
  const members = new Set(cycle);
  const first = order.find((id) => members.has(id));
  const turn = first === undefined ? 0 : cycle.indexOf(first);
  return [...cycle.slice(turn), ...cycle.slice(0, turn)];
}
