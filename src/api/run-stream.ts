/**
 * The states of a run as lines of JSON, one each interval, until the run is over; the last line has results.
 *
 * @module
 */
import type { DagObject, Result } from "../engine/objects.ts";
import { isRunFinished } from "../engine/states.ts";
import type { DagRunView, StoredValue } from "../engine/work.ts";
import { service } from "../isolate/service.ts";
import type { ApiEnv } from "./env.ts";
import { ApiError } from "./errors.ts";
import { readPayload } from "./payloads.ts";

/** Milliseconds that one call of the object waits at most: a longer interval is made of several. */
const STEP_MS = 30_000;
/** Milliseconds between lines, at least. */
const SHORTEST_MS = 500;
/** Calls after which the stream ends although the run goes on: a request of a Worker may make only so many. */
export const MAX_LOOKS = 800;

/** What a stream of states is asked. */
export interface RunStreamRequest {
  run: DagRunView;
  intervalMs: number;
  /** Ids of tasks whose results the last line has. */
  taskIds: readonly string[];
}

/**
 * Pieces of the text. It ends with the run, if the run is deleted, or after `MAX_LOOKS` calls. A run that ends is told at
 * once, not at the next interval.
 */
export async function* runStates(
  env: ApiEnv,
  dag: DagObject,
  { run: first, intervalMs, taskIds }: RunStreamRequest,
): AsyncGenerator<string, void, void> {
  let run = first;
  let left = 0;
  for (let looks = 0; !isRunFinished(run.state); looks += 1) {
    if (left <= 0) {
      yield `${JSON.stringify({ state: run.state })}\n`;
      left = Math.max(intervalMs, SHORTEST_MS);
    }
    // While the server stops nothing waits: the stream ends, and is asked for again.
    if (looks === MAX_LOOKS || service.isStopping) {
      return;
    }
    const step = Math.min(left, STEP_MS);
    const answer = await dag.getRun(run.run_id, step);
    if (!answer.ok) {
      return;
    }
    run = answer.value;
    left -= step;
  }
  yield `{"state":${JSON.stringify(run.state)}`;
  yield* resultsText(env, dag, run.run_id, taskIds);
  yield "}\n";
}

/** A stream of bytes that asks for the next piece only when there is room for it, and stops asking when nobody reads. */
export function byteStream(pieces: AsyncGenerator<string, void, void>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream(
    {
      async pull(controller) {
        const piece = await pieces.next();
        if (piece.done === true) {
          controller.close();
        } else {
          controller.enqueue(encoder.encode(piece.value));
        }
      },
      cancel() {
        // Not awaited: it takes effect when the call under way has been answered, and nobody waits for that.
        void pieces.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * The results, piece by piece, so that no more than one value is held. Tasks without a result are left out. Results that
 * are too large to be had at once are null, and `errors` says so under the id of their task: the answer has begun.
 */
async function* resultsText(
  env: ApiEnv,
  dag: DagObject,
  runId: string,
  taskIds: readonly string[],
): AsyncGenerator<string, void, void> {
  let separator = ',"results":{';
  const errors: [string, string][] = [];
  for (const taskId of new Set(taskIds)) {
    const answer = await storedValues(dag, runId, taskId);
    if (!answer.ok && answer.refusal.code !== "too_large") {
      continue;
    }
    yield `${separator}${JSON.stringify(taskId)}:`;
    separator = ",";
    if (!answer.ok) {
      errors.push([taskId, answer.refusal.message]);
      yield "null";
      continue;
    }
    const { value: values } = answer;
    if (!Array.isArray(values)) {
      yield valueText(env, values);
      continue;
    }
    for (const [position, value] of values.entries()) {
      yield position === 0 ? "[" : ",";
      yield valueText(env, value);
    }
    yield "]";
  }
  if (separator === ",") {
    yield "}";
  }
  if (errors.length > 0) {
    yield `,"errors":${JSON.stringify(Object.fromEntries(errors))}`;
  }
}

/** What a task returned: one value, or those of a mapped task by index, of which there is at least one. */
async function storedValues(
  dag: DagObject,
  runId: string,
  taskId: string,
): Promise<Result<StoredValue | StoredValue[]>> {
  const single = await dag.getXCom({ run_id: runId, task_id: taskId, map_index: -1 }, "return_value");
  if (single.ok) {
    return single;
  }
  const mapped = await dag.getXComs(runId, taskId, "return_value");
  return mapped.ok && mapped.value.length === 0 ? single : mapped;
}

/** A value as JSON on one line; null if it is gone from the bucket, for the answer has begun. */
async function valueText(env: ApiEnv, value: StoredValue): Promise<string> {
  if ("json" in value) {
    // A line break in JSON text is never part of a value.
    return value.json.replace(/[\r\n]+/g, " ");
  }
  try {
    return JSON.stringify(await readPayload(env, value.r2));
  } catch (error) {
    if (error instanceof ApiError) {
      return "null";
    }
    throw error;
  }
}
