import fc from "fast-check";
import { test } from "vitest";
import { IndexedHeap } from "../../src/engine/permits/indexed-heap.ts";

interface Item {
  id: number;
  key: number;
}

test("the head is the least of all items, whatever is added, moved and taken out in between", ({ expect }) => {
  const steps = fc.array(fc.tuple(fc.constantFrom("update", "remove", "pop"), fc.nat(12), fc.nat(20)), {
    maxLength: 80,
  });
  fc.assert(
    fc.property(steps, (play) => {
      const items = Array.from({ length: 13 }, (_, id): Item => ({ id, key: 0 }));
      const inside = new Set<Item>();
      const heap = new IndexedHeap<Item>((a, b) => a.key < b.key || (a.key === b.key && a.id < b.id));
      for (const [kind, index, key] of play) {
        const item = kind === "pop" ? heap.peek() : items[index];
        if (item === undefined) {
          continue;
        }
        if (kind === "update") {
          item.key = key;
          heap.update(item);
          inside.add(item);
        } else {
          heap.remove(item);
          inside.delete(item);
        }
        const [least] = [...inside].toSorted((a, b) => a.key - b.key || a.id - b.id);
        expect(heap.peek()).toBe(least);
        expect(heap.size).toBe(inside.size);
      }
    }),
  );
});

test("an item that is not here can be taken out", ({ expect }) => {
  const heap = new IndexedHeap<Item>((a, b) => a.key < b.key);
  heap.remove({ id: 0, key: 0 });
  const item = { id: 1, key: 1 };
  heap.update(item);
  heap.remove({ id: 2, key: 2 });
  expect(heap.peek()).toBe(item);
});
