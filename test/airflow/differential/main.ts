/**
 * The differential test: random DAGs on Jobbers and on Airflow, task instance by task instance. Prints the seed; for whatever
 * differs without an explanation, the smallest scenario found.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROJECT_ROOT } from "../../../scripts/project.ts";
import { startServerProcess } from "../../../scripts/server-process.ts";
import { AirflowSide } from "./airflow.ts";
import { differences } from "./compare.ts";
import type { Difference } from "./compare.ts";
import { explain } from "./explained.ts";
import { Gates } from "./gates.ts";
import { makeScenario } from "./generate.ts";
import { JobbersSide } from "./jobbers.ts";
import type { Scenario } from "./scenario.ts";
import { shrink } from "./shrink.ts";

/** What to run. */
export interface DifferentialOptions {
  /** Python of an environment with Airflow in it. */
  python: string;
  /** Scenarios to play. */
  count: number;
  /** The first scenario's seed; those of the others follow it. */
  seed: number;
}

/** Airflow is what takes the time: one process for each of two cores. */
const AIRFLOWS = 2;
/** Scenarios at work at a time. */
const AT_ONCE = 6;
/** Differences that are made smaller. */
const MOST_SHRUNK = 5;

/** What playing a scenario on both sides came to. */
interface Comparison {
  found: Difference[];
  refused: boolean;
  /** Task instances at the end. */
  instances: number;
}

const PROGRESS_EVERY = 50;

interface Found {
  seed: number;
  scenario: Scenario;
  differences: Difference[];
}

/** Plays them all. True if nothing differs without an explanation. */
export async function runDifferential({ python, count, seed }: DifferentialOptions): Promise<boolean> {
  console.log(`${count} random DAGs on Jobbers and on Airflow, AIRFLOW_SEED=${seed}`);
  const stage = await Stage.open(python);
  const startedAt = Date.now();
  try {
    const tally = { agree: 0, asMeant: 0, refused: 0, acted: 0, instances: 0, explained: new Map<string, number[]>() };
    const unexplained: Found[] = [];
    let next = seed;
    let played = 0;
    async function work(): Promise<void> {
      while (next < seed + count) {
        const own = next;
        next += 1;
        const scenario = makeScenario(own, `random_${own}`);
        const { found, refused, instances } = await stage.play(scenario);
        tally.refused += refused ? 1 : 0;
        tally.acted += scenario.phases.length > 1 ? 1 : 0;
        tally.instances += instances;
        played += 1;
        if (played % PROGRESS_EVERY === 0) {
          console.log(`${played} of ${count}`);
        }
        const { left, names } = explain(scenario, found);
        if (found.length === 0) {
          tally.agree += 1;
        } else if (left.length > 0) {
          unexplained.push({ seed: own, scenario, differences: left });
          console.log(`AIRFLOW_SEED=${own} differs`);
          showDifferences(left);
        } else {
          tally.asMeant += 1;
          for (const name of names) {
            tally.explained.set(name, [...(tally.explained.get(name) ?? []), own]);
          }
        }
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    console.log(
      `${tally.agree} agree (${tally.refused} of them refused by both), ${tally.acted} with clears and marks, ${tally.instances} task instances compared`,
    );
    console.log(`${Math.round((Date.now() - startedAt) / 1000)} s`);
    console.log(`${tally.asMeant} differ as it is meant`);
    for (const [name, seeds] of tally.explained) {
      console.log(`  ${seeds.length}: ${name} (${seeds.slice(0, 5).join(", ")})`);
    }
    console.log(`${unexplained.length} differ without an explanation`);
    for (const one of unexplained.toSorted((a, b) => a.seed - b.seed).slice(0, MOST_SHRUNK)) {
      await showSmallest(stage, one);
    }
    return unexplained.length === 0 && tally.instances > 0;
  } finally {
    await stage.close();
  }
}

/** Prints the smallest scenario found that differs in the same way. */
async function showSmallest(stage: Stage, { seed, scenario, differences: found }: Found): Promise<void> {
  if (found[0]?.where === "the play") {
    // What did not come to its end is slow to try again.
    return;
  }
  let attempt = 0;
  const named = (smaller: Scenario): Scenario => {
    attempt += 1;
    return { ...smaller, spec: { ...smaller.spec, dag_id: `${scenario.spec.dag_id}_${attempt}` } };
  };
  const smallest = await shrink(scenario, async (candidate) => {
    const { left } = explain(candidate, (await stage.play(named(candidate))).found);
    return left.length > 0 && kindOf(left) === kindOf(found);
  });
  console.log(`\nthe smallest scenario found for AIRFLOW_SEED=${seed}:\n${JSON.stringify(smallest)}`);
  showDifferences(explain(smallest, (await stage.play(named(smallest))).found).left);
}

/** Of which kind the first difference is, so that a smaller scenario does not show another one. */
function kindOf([first]: readonly Difference[]): string {
  return first === undefined ? "none" : /^(action|the) /.test(first.where) ? first.where : "state";
}

function showDifferences(found: readonly Difference[]): void {
  for (const { phase, where, airflow, jobbers } of found) {
    console.log(`  phase ${phase}, ${where}: Airflow ${airflow}; Jobbers ${jobbers}`);
  }
}

/** Both sides, started. */
class Stage {
  readonly #jobbers: JobbersSide;
  readonly #airflows: AirflowSide[];
  readonly #close: () => Promise<void>;
  #turn = 0;

  private constructor(jobbers: JobbersSide, airflows: AirflowSide[], close: () => Promise<void>) {
    this.#jobbers = jobbers;
    this.#airflows = airflows;
    this.#close = close;
  }

  static async open(python: string): Promise<Stage> {
    const closing: (() => Promise<unknown> | void)[] = [];
    const close = async (): Promise<void> => {
      for (const step of closing.toReversed()) {
        // One after the other: what was opened last stands on what was opened first.
        await step();
      }
    };
    try {
      const folder = mkdtempSync(join(tmpdir(), "jobbers-differential-"));
      closing.push(() => rmSync(folder, { recursive: true, force: true }));
      const gates = await Gates.open();
      closing.push(() => gates.close());
      const server = await startServerProcess({
        stateFolder: join(folder, "state"),
        configPath: writeConfig(),
        bundleFolder: join(folder, "bundle"),
        secrets: { GATES_URL: gates.url },
      });
      closing.push(async () => {
        gates.releaseAll();
        await server.stop();
      });
      const jobbers = new JobbersSide(server, gates);
      closing.push(() => jobbers.close());
      const airflows: AirflowSide[] = [];
      for (let count = 0; count < AIRFLOWS; count += 1) {
        const airflow = AirflowSide.launch(python);
        airflows.push(airflow);
        closing.push(() => airflow.stop());
      }
      await Promise.all(airflows.map((airflow) => airflow.ready()));
      return new Stage(jobbers, airflows, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Plays a scenario on both sides and compares. A side that cannot play it to its end differs. */
  async play(scenario: Scenario): Promise<Comparison> {
    try {
      return await this.#play(scenario);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const found = [{ phase: 0, where: "the play", airflow: "to be played to its end", jobbers: message }];
      return { found, refused: false, instances: 0 };
    }
  }

  async #play(scenario: Scenario): Promise<Comparison> {
    this.#turn += 1;
    const side = this.#airflows[this.#turn % AIRFLOWS];
    if (side === undefined) {
      throw new Error("expected an Airflow to play on, there is none");
    }
    const { played, runs } = await this.#jobbers.play(scenario);
    const airflow = await side.play(scenario, runs);
    const last = "phases" in played ? Object.values(played.phases.at(-1)?.runs ?? {}) : [];
    return {
      found: differences(airflow, played),
      refused: "refused" in airflow && "refused" in played,
      instances: last.reduce((sum, { tis }) => sum + Object.keys(tis).length, 0),
    };
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** The product's configuration and entry with the registry of this test. They lie beside its own, since paths in them are relative. */
function writeConfig(): string {
  const folder = join(PROJECT_ROOT, ".jobbers");
  const entry = join(folder, "differential-index.ts");
  const config = join(folder, "differential.toml");
  writeFileSync(
    entry,
    changed(join("src", "index.ts"), {
      '"../dags/index.ts"': '"../test/airflow/differential/registry.ts"',
      '"./jobbers.ts"': '"../src/jobbers.ts"',
    }),
  );
  writeFileSync(config, changed("wrangler.toml", { 'main = "src/index.ts"': 'main = "differential-index.ts"' }));
  return config;
}

/** The text of a file with other words in it. @throws Error if it has not those that are to go. */
function changed(file: string, words: Record<string, string>): string {
  let text = readFileSync(join(PROJECT_ROOT, file), "utf8");
  for (const [old, other] of Object.entries(words)) {
    if (!text.includes(old)) {
      throw new Error(`expected ${old} in ${file}, it is not there`);
    }
    text = text.replace(old, other);
  }
  return text;
}
