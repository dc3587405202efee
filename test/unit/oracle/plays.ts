/**
 * Random plays of a run: what workers, users, the queue, the clock and the platform do, in any order.
 *
 * @module
 */
import fc from "fast-check";
import type { Outcome } from "../../../src/engine/work.ts";
import type { Duel, Held } from "./duel.ts";
import type { Name } from "./selection.ts";
import { feedersOf, OVER, taskOf, type Cell } from "./world.ts";

/** One move: what kind, and three numbers that choose among what is there. */
export type Move = [kind: number, a: number, b: number, c: number];

const KINDS = 45;

export const plays: fc.Arbitrary<Move[]> = fc.array(
  fc.tuple(fc.nat(KINDS - 1), fc.nat(999), fc.nat(999), fc.nat(999)),
  { minLength: 10, maxLength: 80, size: "max" },
);

const ERROR = { type: "Error", message: "no" };

/** Makes one move. One for which there is nothing to choose from does nothing. */
export function play(duel: Duel, [kind, a, b, c]: Move): void {
  if (duel.isTooLarge) {
    return;
  }
  if (duel.machine.info.state === "queued" && kind !== 33) {
    duel.begin();
  }
  const { messages, held } = duel;
  if (kind < 13) {
    const waiting = messages.filter(({ task, index, tries }) => {
      const cell = duel.cell(task, index);
      return cell?.state === "queued" && cell.tries === tries;
    });
    claimOne(duel, pick(b % 8 === 0 ? messages : waiting, a));
  } else if (kind < 26) {
    const first = pick(c % 8 === 0 ? held : duel.current(), a);
    const second = kind > 22 ? pick(duel.current(), b) : undefined;
    const reports = [first, second].filter((one) => one !== undefined);
    if (first !== undefined) {
      duel.report(
        reports.map((one, at) => ({ try: one, outcome: outcomeOf(duel, one, b + 7 * at, c) })),
        c % 3,
      );
    }
  } else if (kind < 29) {
    duel.pass([1, 40, 3000, 11_000, 30_000][a % 5] ?? 1);
  } else if (kind === 29) {
    duel.passAtOnce(a % 10 === 0 ? 200_000 : 1 + 40 * a);
  } else if (kind < 32) {
    clearSome(duel, duel.world.cells, a, b);
  } else if (kind === 32) {
    const cell = pick(duel.world.cells, a);
    const to = (["success", "failed", "skipped"] as const)[b % 3];
    if (cell !== undefined && to !== undefined && c % 2 === 0) {
      const { task_id } = cell.task;
      const names = [[[task_id, cell.index]], [task_id], groupOf(duel, task_id)][Math.floor(c / 2) % 3];
      duel.mark({ names: (names ?? []) as Name[], ...directionsOf(b), isOneRun: true }, to);
    } else if (c % 7 === 1) {
      duel.markRun((["success", "failed", "queued"] as const)[a % 3] ?? "queued");
    }
  } else if (kind < 35) {
    duel.evict();
  } else if (kind === 35) {
    duel.hold(a % 2 === 0);
  } else if (kind === 36) {
    duel.resend();
  } else if (kind > 41) {
    const task = pick(dependentOnPast(duel), a);
    if (task !== undefined) {
      duel.changePast(task, b % 3 === 0);
    }
  } else if (kind > 39) {
    // Lengths change when what feeds an expansion runs again.
    const feeders = new Set(duel.spec.tasks.flatMap((task) => feedersOf(duel.world, task)));
    const over = duel.world.cells.filter(({ task, state }) => feeders.has(task.task_id) && state === "success");
    clearSome(duel, over, a, c % 2 === 0 ? 2 : b);
  } else {
    const one = pick(held.slice(-6), a);
    if (one !== undefined && kind === 37) {
      duel.beat(one);
    } else if (one !== undefined) {
      duel.workerGone(one, { state: "failed", error: ERROR, retryable: b % 2 === 0 });
    }
  }
}

/** Answers all work until the run is over, or too large. Throws if it never ends, unless something unfinished may wait for another run. */
export function finish(duel: Duel): void {
  if (duel.machine.info.state === "queued") {
    duel.begin();
  }
  duel.hold(false);
  for (const task of dependentOnPast(duel)) {
    duel.changePast(task, false);
  }
  for (let turn = 0; !duel.isOver && !duel.isTooLarge; turn += 1) {
    if (turn > 200) {
      throw new Error("the run does not end although all work was answered");
    }
    for (const message of duel.messages.splice(0)) {
      claimOne(duel, message);
    }
    for (const one of duel.current()) {
      if (duel.isTooLarge) {
        return;
      }
      duel.report([{ try: one, outcome: { state: "success", value: { json: "[1]" }, mapLength: 1 } }], 0);
    }
    const next = duel.machine.nextDue();
    if (!duel.isOver && next !== null) {
      duel.pass(next - duel.now);
    } else if (duel.messages.length === 0 && duel.current().length === 0 && mayWaitForever(duel)) {
      return;
    }
  }
}

function dependentOnPast(duel: Duel): string[] {
  return duel.spec.tasks.filter((task) => task.depends_on_past).map((task) => task.task_id);
}

/** As in Airflow, a run is not given up while something in it that is unfinished depends on the past. */
function mayWaitForever(duel: Duel): boolean {
  return duel.world.cells.some(({ task, state }) => task.depends_on_past && !OVER.includes(state));
}

function claimOne(duel: Duel, message: { task: string; index: number; tries: number } | undefined): void {
  if (message !== undefined) {
    duel.claim(message);
  }
}

function clearSome(duel: Duel, among: readonly Cell[], a: number, b: number): void {
  const cell = pick(among, a);
  if (cell === undefined) {
    return;
  }
  const id = cell.task.task_id;
  const other = pick(duel.world.cells, b) ?? cell;
  const names: Name[][] = [[[id, cell.index]], [id], [[id, cell.index], other.task.task_id], [id, [id, cell.index]]];
  const request = { names: names[b % 4] ?? [], ...directionsOf(a + b), isOneRun: b % 7 !== 0 };
  // Without its run a cleared cell of a run that is over waits; the next move that queues the run lets it go on.
  duel.clear(request, b % 5 !== 0);
}

function directionsOf(number: number): { upstream: boolean; downstream: boolean } {
  return { upstream: number % 6 > 4, downstream: number % 6 > 1 };
}

/** The task and those that stand in one group with it, as a mark of the group names them. */
function groupOf({ spec }: Duel, id: string): string[] {
  const group = spec.tasks.find((task) => task.task_id === id)?.task_group_id;
  const members = spec.tasks.filter((task) => group !== undefined && task.task_group_id === group);
  return members.length === 0 ? [id] : members.map((task) => task.task_id);
}

function outcomeOf(duel: Duel, { task }: Held, b: number, c: number): Outcome {
  const length = c % 4;
  const { operator } = taskOf(duel.world, task);
  switch (b % 22) {
    case 0:
    case 1:
      return { state: "failed", error: ERROR, retryable: true };
    case 2:
      return { state: "failed", error: ERROR, retryable: true, retryAfterMs: 20_000 };
    case 3:
      return { state: "failed", error: ERROR, retryable: false };
    case 4:
      return { state: "skipped" };
    case 5:
      return { state: "up_for_reschedule", at: duel.now + 1 + 30 * c };
    case 6:
      return { state: "success", ...(operator === "branch" ? { follow: ["nowhere"] } : {}) };
    case 7:
      return { state: "success", value: { json: c % 2 === 0 ? "1" : "null" } };
    default: {
      const ids = [
        ...duel.spec.tasks.map((other) => other.task_id),
        ...duel.spec.task_groups.map((group) => group.group_id),
      ];
      const follow = ids.filter((_, at) => ((b * 7 + c) >> (at % 10)) % 3 === 0);
      const answer = operator === "branch" ? { follow } : operator === "short_circuit" ? { proceed: b % 2 === 0 } : {};
      return { state: "success", value: { json: "[]" }, mapLength: length, ...answer };
    }
  }
}

function pick<T>(items: readonly T[], number: number): T | undefined {
  return items[number % Math.max(1, items.length)];
}
