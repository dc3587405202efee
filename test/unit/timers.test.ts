import fc from "fast-check";
import { test } from "vitest";
import { TimerHeap } from "../../src/engine/timers.ts";

interface Item {
  due: number | null;
}

function heapOf(...dues: number[]): { heap: TimerHeap<Item>; items: Item[] } {
  const heap = new TimerHeap<Item>((item) => item.due);
  const items = dues.map((due) => ({ due }));
  for (const item of items) {
    heap.add(item.due, item);
  }
  return { heap, items };
}

test("nothing is due in an empty heap", ({ expect }) => {
  const { heap } = heapOf();
  expect(heap.next()).toBe(null);
  expect(heap.takeDue(Number.MAX_SAFE_INTEGER)).toBe(undefined);
});

test("an item is due at its time, not before", ({ expect }) => {
  const { heap, items } = heapOf(10);
  expect(heap.takeDue(9)).toBe(undefined);
  expect(heap.takeDue(10)).toBe(items[0]);
  expect(heap.next()).toBe(null);
});

test("a timer that was moved or cleared counts by its new time alone", ({ expect }) => {
  const heap = new TimerHeap<Item>((item) => item.due);
  const moved: Item = { due: 5 };
  const cleared: Item = { due: 6 };
  heap.add(5, moved);
  heap.add(6, cleared);
  moved.due = 20;
  heap.add(20, moved);
  cleared.due = null;
  expect(heap.next()).toBe(20);
  expect(heap.some((item) => item === cleared)).toBe(false);
  expect(heap.some((item) => item === moved)).toBe(true);
  expect(heap.takeDue(19)).toBe(undefined);
  expect(heap.takeDue(20)).toBe(moved);
});

test("items come in the order of their times, whatever moves in between", ({ expect }) => {
  const moves = fc.array(fc.tuple(fc.nat(9), fc.option(fc.nat(50))), { maxLength: 60 });
  fc.assert(
    fc.property(moves, (changes) => {
      const heap = new TimerHeap<Item>((item) => item.due);
      const items = Array.from({ length: 10 }, (): Item => ({ due: null }));
      for (const [at, due] of changes) {
        const item = items[at] ?? { due: null };
        item.due = due;
        if (due !== null) {
          heap.add(due, item);
        }
      }
      const expected = items
        .map((item) => item.due)
        .filter((due) => due !== null)
        .toSorted((a, b) => a - b);
      const taken: number[] = [];
      expect(heap.next()).toBe(expected[0] ?? null);
      for (let item = heap.takeDue(50); item !== undefined; item = heap.takeDue(50)) {
        taken.push(item.due ?? -1);
        item.due = null;
      }
      expect(taken).toEqual(expected);
    }),
  );
});
