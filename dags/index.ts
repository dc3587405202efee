/**
 * What this Worker runs. Your own DAGs and tasks are added here.
 *
 * @module
 */
import { createRegistry } from "../src/sdk/index.ts";
import type { Registry } from "../src/sdk/index.ts";
import { flightsEtl } from "./flights-etl.ts";
import { githubEvents } from "./github-events.ts";
import { standaloneTasks } from "./tasks.ts";

export const registry: Registry = createRegistry({ dags: [flightsEtl, githubEvents], tasks: standaloneTasks });
