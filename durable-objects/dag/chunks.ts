/**
 * Rows packed into as few statements as the platform takes: a text parameter stays well under its 2 MB.
 *
 * @module
 */

/** Bytes of JSON in one statement, and rows: both far below the platform's limits. */
const CHUNK_CHARS = 400_000;
const CHUNK_ROWS = 2000;

/** Arrays of JSON texts, each array within the limits of one statement. */
export function* joined(texts: readonly string[], maxRows = CHUNK_ROWS): Generator<{ json: string; rows: number }> {
  let parts: string[] = [];
  let chars = 0;
  for (const text of texts) {
    if (parts.length > 0 && (parts.length === maxRows || chars + text.length > CHUNK_CHARS)) {
      yield { json: `[${parts.join(",")}]`, rows: parts.length };
      parts = [];
      chars = 0;
    }
    parts.push(text);
    chars += text.length;
  }
  if (parts.length > 0) {
    yield { json: `[${parts.join(",")}]`, rows: parts.length };
  }
}
