/**
 * Work for sessions under test.
 *
 * @module
 */
import type { ClaimedTask } from "../../src/engine/work.ts";
import type { WorkSource } from "../../src/runner/owner.ts";

/** Tasks that wait to be claimed, with what was asked of them. */
export interface TestSource extends WorkSource {
  /** How many each claim asked for. */
  readonly asked: number[];
  /** Tasks that were given back. */
  readonly givenBack: string[];
}

/** Work that is there: each claim gives as much of it as it asks for. */
export function workOf(tasks: readonly ClaimedTask[], since?: number): TestSource {
  let left = [...tasks];
  const asked: number[] = [];
  const givenBack: string[] = [];
  return {
    asked,
    givenBack,
    get left() {
      return left.length;
    },
    async claim(most) {
      asked.push(most);
      return { tasks: left.splice(0, most), since: since ?? Date.now() };
    },
    giveBack() {
      givenBack.push(...left.map(({ task_id: id }) => id));
      left = [];
    },
  };
}
