/**
 * What `npm start` and `npm run dev` say when they serve.
 *
 * @module
 */

/** A server as it is greeted with. */
export interface Greeted {
  url: string;
  /** The development key, which may be shown; null if the key was given by `JOBBERS_API_KEY`, and is no business of a log. */
  developmentKey: string | null;
}

/** Says that Cloudflare's limits hold. */
export function limitsLine(faultRate: number): string {
  const faults = faultRate === 0 ? "" : `, faults at a rate of ${faultRate}`;
  return `Cloudflare's limits hold${faults}: what exceeds one is an error and a line with "platform_limit"`;
}

/** Address, key and three calls that work as they stand. */
export function startLines(greeted: Greeted, stateFolder: string): string[] {
  return [`Jobbers listens on ${greeted.url}   (state in ${stateFolder}, Ctrl-C stops it)`, ...keyLines(greeted)];
}

/** The key, if it may be shown, and three calls. */
export function keyLines(greeted: Greeted): string[] {
  return [
    `API key: ${greeted.developmentKey ?? "that of JOBBERS_API_KEY"}`,
    "",
    "Try:",
    ...curlLines(greeted).map((line) => `  ${line}`),
  ];
}

/** Health; one task; one run of a DAG, answered when it is over. */
export function curlLines({ url, developmentKey }: Greeted): [string, string, string] {
  const key =
    developmentKey === null
      ? '-H "Authorization: Bearer $JOBBERS_API_KEY"'
      : `-H 'Authorization: Bearer ${developmentKey}'`;
  const json = "-H 'Content-Type: application/json'";
  return [
    `curl ${url}/api/v2/monitor/health`,
    `curl -X POST '${url}/tasks/hello' ${key} ${json} -d '{"payload": {"name": "Ada"}}'`,
    `curl -X POST '${url}/api/v2/dags/flights_etl/dagRuns' ${key} ${json} -d '{"logical_date": null}'`,
  ];
}
