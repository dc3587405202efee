/**
 * What `npm start` says when it serves.
 *
 * @module
 */
import type { Serving } from "./serve.ts";

/** Address, key and three calls that work as they stand. */
export function startLines(serving: Pick<Serving, "url" | "apiKey">, stateFolder: string): string[] {
  return [
    `Jobbers listens on ${serving.url}   (state in ${stateFolder}, Ctrl-C stops it)`,
    `API key: ${serving.apiKey}`,
    "",
    "Try:",
    ...curlLines(serving).map((line) => `  ${line}`),
  ];
}

/** Health; one task; one run of a DAG, answered when it is over. */
export function curlLines({ url, apiKey }: Pick<Serving, "url" | "apiKey">): [string, string, string] {
  const key = `-H 'Authorization: Bearer ${apiKey}'`;
  const json = "-H 'Content-Type: application/json'";
  return [
    `curl ${url}/api/v2/monitor/health`,
    `curl -X POST '${url}/tasks/hello' ${key} ${json} -d '{"payload": {"name": "Ada"}}'`,
    `curl -X POST '${url}/api/v2/dags/flights_etl/dagRuns' ${key} ${json} -d '{"logical_date": null}'`,
  ];
}
