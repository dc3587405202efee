/**
 * Plays scenarios on Airflow: processes of Python that are given one a line and answer with a line.
 *
 * @module
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Interface } from "node:readline";
import { z } from "zod";
import { PROJECT_ROOT } from "../../../scripts/project.ts";
import type { Played, RunDates, Scenario } from "./scenario.ts";

const PROGRAM = join(PROJECT_ROOT, "test", "airflow", "differential", "airflow_side", "serve.py");
const OUTPUT_LIMIT = 20_000;

const instanceSchema = z.tuple([z.string().nullable(), z.number(), z.number()]);
const answerSchema = z.union([
  z.strictObject({ error: z.string() }),
  z.strictObject({ refused: z.string() }),
  z.strictObject({
    phases: z.array(
      z.strictObject({
        statuses: z.array(z.number()),
        runs: z.record(z.string(), z.strictObject({ state: z.string(), tis: z.record(z.string(), instanceSchema) })),
      }),
    ),
  }),
]);

/** One Airflow with a database of its own. It plays one scenario at a time. */
export class AirflowSide {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #output = "";
  #last: Promise<unknown> = Promise.resolve();

  private constructor(python: string) {
    this.#process = spawn(python, [PROGRAM], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONWARNINGS: "ignore" },
    });
    const { stdout, stderr } = this.#process;
    if (stdout === null || stderr === null) {
      throw new Error("expected pipes to Airflow, got none");
    }
    stderr.on("data", (chunk: Buffer) => {
      this.#output = (this.#output + chunk.toString("utf8")).slice(-OUTPUT_LIMIT);
    });
    this.#reader = createInterface({ input: stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** Starts one. `python` is that of an environment with Airflow in it. */
  static launch(python: string): AirflowSide {
    return new AirflowSide(python);
  }

  /** Returns when its database is made. @throws Error with Python's own words if it does not start. */
  async ready(): Promise<void> {
    await this.#line();
  }

  /** @throws Error with Python's own words if something breaks. */
  play(scenario: Scenario, runs: readonly RunDates[]): Promise<Played> {
    const playing = this.#last.then(() => this.#play(scenario, runs));
    this.#last = playing.catch(() => null);
    return playing;
  }

  async stop(): Promise<void> {
    const { stdin, exitCode } = this.#process;
    stdin?.end();
    if (exitCode === null) {
      await once(this.#process, "exit");
    }
    this.#reader.close();
  }

  async #play(scenario: Scenario, runs: readonly RunDates[]): Promise<Played> {
    this.#process.stdin?.write(`${JSON.stringify({ ...scenario, runs })}\n`);
    const answer = answerSchema.parse(JSON.parse(await this.#line()));
    if ("error" in answer) {
      throw new Error(`Airflow could not play ${scenario.spec.dag_id}:\n${answer.error}`);
    }
    return answer;
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) {
      throw new Error(`the process with Airflow ended:\n${this.#output}`);
    }
    return line.value;
  }
}
