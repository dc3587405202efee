/**
 * The sweeper's round, once a minute: wakes the objects that are late, see `engine/watch.ts`. An object that has nothing to do is
 * not touched.
 *
 * @module
 */
import { isIntakeName } from "../src/engine/intake.ts";
import { ledgerName } from "../src/engine/permits/names.ts";
import { WATCH_BOOK_NAMES, watchBookOf, type Waking, type Watched } from "../src/engine/watch.ts";
import { CATALOG_NAME, openDag, openIntakeNamed, openPool, openWatchBook, type ObjectEnv } from "./env.ts";

const NEXT_SWEEP_MS = 60_000;
/** Objects woken at a time; what they answer is stored before the next ones are. */
const AT_A_TIME = 100;
/** Objects that one sweep wakes: with what it stores, half of the 10,000 subrequests an invocation has by default. */
const MOST_AT_ONCE = 5000;

/** Who knows of something to do: the one catalog did before this was dealt over several, and what it still knows moves when it is due. */
const BOOKS = [CATALOG_NAME, ...WATCH_BOOK_NAMES];

/** Something to wake, and the object that knows of it. */
interface Late {
  readonly book: string;
  readonly entry: Waking;
}

/**
 * Wakes what is late, the latest first. What is beyond one sweep is left to the next one.
 *
 * @param specHashes Of the DAGs of the code, by their ids.
 * @throws Error if one of the objects that know who is late cannot be asked; whom the others know of is woken before.
 */
export async function wakeLate(
  env: ObjectEnv,
  specHashes: ReadonlyMap<string, string>,
  most = MOST_AT_ONCE,
): Promise<void> {
  const { late, failures } = await readLate(env, specHashes, most);
  for (let first = 0; first < late.length; first += AT_A_TIME) {
    // One group after the other: a sweep that is cut off has stored what it did, and the next one begins behind it.
    // oxlint-disable-next-line no-await-in-loop
    failures.push(...(await wakeGroup(env, late.slice(first, first + AT_A_TIME))));
  }
  if (late.length === most) {
    console.warn({ event: "sweep_full", objects: late.length });
  }
  if (failures.length > 0) {
    throw failures[0];
  }
}

/** Reads from all books at once whom to wake, the latest first. */
async function readLate(
  env: ObjectEnv,
  specHashes: ReadonlyMap<string, string>,
  most: number,
): Promise<{ late: Late[]; failures: unknown[] }> {
  const now = Date.now();
  const answers = await Promise.allSettled(
    BOOKS.map(async (book) => {
      const hashes = new Map([...specHashes].filter(([dagId]) => watchBookOf(dagId) === book));
      const waking = await openWatchBook(env, book).toWake(hashes, now, most);
      return waking.map((entry): Late => ({ book, entry }));
    }),
  );
  return {
    late: answers
      .flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []))
      .toSorted((one, other) => one.entry.due_at - other.entry.due_at)
      .slice(0, most),
    failures: failuresOf(answers),
  };
}

/** Wakes some, and stores what they answered where it is known of them. Gives what went wrong with that. */
async function wakeGroup(env: ObjectEnv, group: readonly Late[]): Promise<unknown[]> {
  const swept = await Promise.all(group.map(async ({ book, entry }) => ({ book, entry: await sweep(env, entry) })));
  const stored = await Promise.allSettled(
    [...Map.groupBy(swept, ({ book }) => book)].map(async ([book, members]) => {
      const entries = members.map(({ entry }) => entry);
      await openWatchBook(env, book).swept(book === CATALOG_NAME ? await moved(env, entries) : entries);
    }),
  );
  return failuresOf(stored);
}

/** Puts entries of the one catalog into the books that they belong to; gives what is left to store there: that they are gone. */
async function moved(env: ObjectEnv, entries: readonly Watched[]): Promise<Watched[]> {
  return Promise.all(
    entries.map(async ({ name, due_at, told }) => {
      if (due_at !== null) {
        await openWatchBook(env, watchBookOf(name)).expect(name, due_at);
      }
      return { name, due_at: null, spec_hash: null, told };
    }),
  );
}

function failuresOf(answers: readonly PromiseSettledResult<unknown>[]): unknown[] {
  return answers.flatMap((answer): unknown[] => (answer.status === "rejected" ? [answer.reason] : []));
}

/** Wakes one. One that cannot answer is woken again by the next sweep, after those that waited meanwhile. */
async function sweep(env: ObjectEnv, entry: Waking): Promise<Watched> {
  try {
    return { ...entry, due_at: await wake(env, entry.name) };
  } catch (error) {
    console.warn({ event: "wake_failed", name: entry.name, error: String(error) });
    return { ...entry, due_at: Date.now() + NEXT_SWEEP_MS };
  }
}

/** Wakes an object; gives when it has something to do next, or null. */
async function wake(env: ObjectEnv, name: string): Promise<number | null> {
  if (isIntakeName(name)) {
    return openIntakeNamed(env, name).wake();
  }
  return isPool(name) ? openPool(env, name).wake() : openDag(env, name).wake();
}

/** Neither ids of DAGs nor names of bulk submissions look like those of pools. */
function isPool(name: string): boolean {
  return name.startsWith(ledgerName("pool", ""));
}
