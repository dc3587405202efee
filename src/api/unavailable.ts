/**
 * DAGs whose object cannot answer, in a list over many: the list goes on without them, and names them.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { ApiError } from "./errors.ts";
import { isPlatformError } from "./objects.ts";

/** The field beside a list over many DAGs; left out if all have answered. */
export const unavailableField = {
  unavailable: z
    .array(z.object({ dag_id: z.string(), error: z.string() }))
    .optional()
    .openapi({ description: "DAGs that could not answer: what is theirs is missing. Left out if there are none" }),
};

/** Collects, for one request, the DAGs that could not answer. */
export class Unavailable {
  readonly #errors = new Map<string, unknown>();
  #answered = 0;

  /**
   * What a DAG's object answers; `otherwise` if it cannot. A refusal of the request is none of these, and is thrown.
   *
   * @throws ApiError
   */
  async ask<T>(dagId: string, ask: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      const answer = await ask();
      this.#answered += 1;
      return answer;
    } catch (error) {
      if (error instanceof ApiError) {
        throw error;
      }
      if (!this.#errors.has(dagId)) {
        this.#errors.set(dagId, error);
        console.error({ event: "dag_unavailable", dag_id: dagId, error });
      }
      return otherwise;
    }
  }

  /** All that were asked have answered. */
  get isEmpty(): boolean {
    return this.#errors.size === 0;
  }

  /**
   * The field for the answer; without it if all have answered.
   *
   * @throws The first error, if no DAG has answered and each may answer if it is asked again: the list would look empty.
   */
  field(): { unavailable?: { dag_id: string; error: string }[] } {
    const errors = [...this.#errors];
    const [first] = errors;
    if (first === undefined) {
      return {};
    }
    if (this.#answered === 0 && errors.every(([, error]) => isPlatformError(error))) {
      throw first[1];
    }
    return {
      unavailable: errors
        .toSorted(([left], [right]) => (left < right ? -1 : 1))
        .map(([dagId, error]) => ({
          dag_id: dagId,
          error: isPlatformError(error) ? "restarting or overloaded; try again" : "internal error; see the log",
        })),
    };
  }
}
