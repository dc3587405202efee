/**
 * Lists that lie in many objects, each of which can answer its own part in order: the parts are merged and one page of
 * the whole is cut out. Until there is an index over all objects, this is what a list over all DAGs costs.
 *
 * @module
 */
import type { Page, Result } from "../engine/objects.ts";
import { ApiError, unwrap } from "./errors.ts";
import type { Unavailable } from "./unavailable.ts";

/** Objects asked at a time. */
const AT_A_TIME = 16;
/** Entries asked of one object at a time. */
const STRIDE = 100;
/** How deep a page of a merged list may lie: all before it must be read. */
export const MAX_DEPTH = 10_000;

/** A value that lists are sorted by. */
export type SortValue = string | number | null;

/** A comparison of two entries, as `Array.prototype.sort` takes it. */
export type Compare<T> = (left: T, right: T) => number;

/** One object's part of a list. */
export interface Part<T> {
  /** The DAG whose part it is. */
  dagId: string;
  /** Entries `offset` to `offset + limit` of the part, in the order of the whole. */
  read(limit: number, offset: number): Promise<Result<Page<T>>>;
}

/**
 * One page of the list that `parts` make up together. Entries of which `compare` says nothing stand in the order of the
 * parts, and of one part in its own order. An object that says not_found meanwhile has no entries.
 *
 * @param unavailable Gets the DAGs that cannot answer, whose entries are then missing; without it such a part is an error.
 * @throws ApiError 400 if the page lies too deep.
 */
export async function gather<T>(
  parts: readonly Part<T>[],
  compare: Compare<T>,
  { limit, offset }: { limit: number; offset: number },
  unavailable?: Unavailable,
): Promise<Page<T>> {
  const readPart: Read<T> = (part, count, from) =>
    unavailable === undefined
      ? answerOf(part, count, from)
      : unavailable.ask(part.dagId, () => answerOf(part, count, from), { items: [], total: 0 });
  const [only] = parts;
  if (only !== undefined && parts.length === 1) {
    return readPart(only, limit, offset);
  }
  if (offset + limit > MAX_DEPTH) {
    throw new ApiError(
      400,
      `expected offset and limit of at most ${MAX_DEPTH} together in a list over many DAGs, got ${offset + limit}; name one DAG, or filter`,
    );
  }
  const stride = limit === 0 ? 0 : Math.min(offset + limit, STRIDE);
  const heads = await eachAtMost(
    parts,
    async (part) => new Head(part, stride, await readPart(part, stride, 0), readPart),
  );
  const items: T[] = [];
  for (let position = 0; position < offset + limit; position += 1) {
    const first = smallest(heads, compare);
    if (first === null) {
      break;
    }
    const entry = first.take();
    if (position >= offset) {
      items.push(entry);
    }
    if (position + 1 < offset + limit) {
      // One after the other: what is taken next depends on what this object answers.
      await first.refill();
    }
  }
  return { items, total: heads.reduce((sum, head) => sum + head.total, 0) };
}

/** Calls `work` for each item, for at most sixteen at a time; answers in the order of the items. */
export async function eachAtMost<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let start = 0; start < items.length; start += AT_A_TIME) {
    answers.push(...(await Promise.all(items.slice(start, start + AT_A_TIME).map((item) => work(item)))));
  }
  return answers;
}

/** Compares by sort keys as the objects do: null is greater than everything, `-` turns the order round. */
export function compareBy<T>(keys: readonly string[], valueOf: (entry: T, field: string) => SortValue): Compare<T> {
  const fields = keys.map((key) => ({ field: key.replace(/^-/, ""), sign: key.startsWith("-") ? -1 : 1 }));
  return (left, right) => {
    for (const { field, sign } of fields) {
      const order = compareValues(valueOf(left, field), valueOf(right, field));
      if (order !== 0) {
        return sign * order;
      }
    }
    return 0;
  };
}

function compareValues(left: SortValue, right: SortValue): number {
  if (left === right) {
    return 0;
  }
  if (left === null || right === null) {
    return left === null ? 1 : -1;
  }
  return left < right ? -1 : 1;
}

type Read<T> = (part: Part<T>, limit: number, offset: number) => Promise<Page<T>>;

async function answerOf<T>(part: Part<T>, limit: number, offset: number): Promise<Page<T>> {
  const answer = await part.read(limit, offset);
  return !answer.ok && answer.refusal.code === "not_found" ? { items: [], total: 0 } : unwrap(answer);
}

/** What is read of a part and not yet taken. */
class Head<T> {
  readonly total: number;
  readonly #part: Part<T>;
  readonly #stride: number;
  readonly #read: Read<T>;
  #items: T[];
  #taken = 0;
  #offset: number;

  constructor(part: Part<T>, stride: number, { items, total }: Page<T>, read: Read<T>) {
    this.total = total;
    this.#part = part;
    this.#stride = stride;
    this.#read = read;
    this.#items = items;
    this.#offset = items.length;
  }

  /** The next entry, or undefined at the end. */
  get next(): T | undefined {
    return this.#items[this.#taken];
  }

  /** Takes the next entry, which must be there. */
  take(): T {
    const entry = this.#items[this.#taken] as T;
    this.#taken += 1;
    return entry;
  }

  /** Reads on if all that was read is taken, and there may be more. */
  async refill(): Promise<void> {
    if (this.#taken === this.#items.length && this.#items.length === this.#stride) {
      const { items } = await this.#read(this.#part, this.#stride, this.#offset);
      this.#items = items;
      this.#taken = 0;
      this.#offset += items.length;
    }
  }
}

function smallest<T>(heads: readonly Head<T>[], compare: Compare<T>): Head<T> | null {
  let first: Head<T> | null = null;
  for (const head of heads) {
    if (head.next !== undefined && (first?.next === undefined || compare(head.next, first.next) < 0)) {
      first = head;
    }
  }
  return first;
}
