/**
 * Names of operations, for the functions that generators of clients write. They are made from method and path and from
 * nothing else, so that they stay while texts change.
 *
 * @module
 */

/** `GET /api/v2/dags/{dag_id}/dagRuns` is `getDagDagRuns`, and with a run's id behind it `getDagDagRun`. */
export function operationId(method: string, path: string): string {
  const segments = path.split("/").filter((segment) => segment !== "");
  const [first, second] = segments;
  const named = first === "api" && second === "v2" ? segments.slice(2) : segments;
  const words = named.map((segment, index) => word(segment, named[index - 1], named[index + 1]));
  return method.toLowerCase() + words.join("");
}

/** A thing with its id behind it is one thing. The id goes without saying, unless it is the second one. */
function word(segment: string, before: string | undefined, after: string | undefined): string {
  if (isParameter(segment)) {
    return isParameter(before) ? `By${pascal(segment.slice(1, -1))}` : "";
  }
  return pascal(isParameter(after) ? singular(segment) : segment);
}

function isParameter(segment: string | undefined): boolean {
  return segment?.startsWith("{") === true;
}

function singular(plural: string): string {
  return plural
    .replace(/ies$/, "y")
    .replace(/(ch|sh|x)es$/, "$1")
    .replace(/s$/, "");
}

/** `map_index` and `map-index` are `MapIndex`. */
function pascal(text: string): string {
  return text.replaceAll(/(?:^|[_-])([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
