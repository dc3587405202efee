/**
 * Counts what objects write and what lies in the bucket, whichever object does it and of whichever class: tests and Worker
 * share one isolate, so the runtime's own classes can be watched.
 *
 * @module
 */
import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";

/** Statements that are remembered, for who asks what was written. */
const REMEMBERED = 5;

/** What any request may write. */
const UNCOUNTED = /^\s*(?:INSERT INTO|UPDATE|DELETE FROM) (?:watched|login_count|known_network)\b/;

let rows = 0;
const latest: string[] = [];
/** Keys of the values in the bucket. */
const payloads = new Set<string>();

/**
 * What was written since the meter was installed: the same text twice means that nothing was, in between. What was rolled
 * back does not count, nor what was put into the bucket and taken out again. Neither do alarms: an object that wakes sets
 * its own anew, whoever woke it, and says to the sweeper when it is due. Nor do counts of failed logins, which are there for
 * what is refused.
 */
export function stateMark(): string {
  return `${rows} rows written, ${payloads.size} values in the bucket`;
}

/** The latest statements that wrote rows, the last one at the end. */
export function latestWrites(): string {
  return latest.join("; ");
}

/** Installs the meter. Call it once. */
export async function installMeter(): Promise<void> {
  await runInDurableObject(env.DAG.getByName("meter"), (_object, { storage }) => {
    watch(prototypeOf(storage.sql), "exec", ([statement], cursor) => {
      const written = UNCOUNTED.test(String(statement)) ? 0 : rowsOf(cursor);
      rows += written;
      if (written > 0) {
        latest.push(String(statement).replaceAll(/\s+/g, " ").slice(0, 120));
        latest.splice(0, latest.length - REMEMBERED);
      }
    });
    for (const method of ["put", "delete", "deleteAll"]) {
      watch(prototypeOf(storage), method, () => {
        rows += 1;
      });
    }
    forgetRollbacks(prototypeOf(storage));
  });
  const bucket = prototypeOf(env.PAYLOADS);
  watch(bucket, "put", ([key]) => {
    if (payloads.has(String(key))) {
      rows += 1;
    }
    payloads.add(String(key));
  });
  watch(bucket, "delete", ([keys]) => {
    for (const key of Array.isArray(keys) ? keys : [keys]) {
      payloads.delete(String(key));
    }
  });
}

function prototypeOf(object: object): object {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (typeof prototype !== "object" || prototype === null) {
    throw new Error("expected an object of a class of the runtime");
  }
  return prototype;
}

/** Notes each call of a method. */
function watch(prototype: object, method: string, note: (args: unknown[], answer: unknown) => void): void {
  const original = methodOf(prototype, method);
  Reflect.set(prototype, method, function watched(this: unknown, ...args: unknown[]): unknown {
    const answer: unknown = Reflect.apply(original, this, args);
    note(args, answer);
    return answer;
  });
}

/** What a transaction wrote that throws is not there afterwards. */
function forgetRollbacks(prototype: object): void {
  const original = methodOf(prototype, "transactionSync");
  Reflect.set(prototype, "transactionSync", function watched(this: unknown, ...args: unknown[]): unknown {
    const before = rows;
    try {
      const answer: unknown = Reflect.apply(original, this, args);
      return answer;
    } catch (error) {
      rows = before;
      throw error;
    }
  });
}

function methodOf(prototype: object, name: string): (...args: unknown[]) => unknown {
  const method: unknown = Reflect.get(prototype, name);
  if (typeof method !== "function") {
    throw new Error(`expected the runtime's class to have a method ${name}, it has none`);
  }
  return method as (...args: unknown[]) => unknown;
}

function rowsOf(cursor: unknown): number {
  const written: unknown =
    typeof cursor === "object" && cursor !== null ? Reflect.get(cursor, "rowsWritten") : undefined;
  if (typeof written !== "number") {
    throw new Error("expected a cursor to count the rows that it wrote");
  }
  return written;
}
