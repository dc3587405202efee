/**
 * Bodies as text, only where nothing is lost.
 *
 * @module
 */

// Fatal, so that no two bodies become the same text; a byte order mark is kept, for it is part of what was signed.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The body as text, or null if it is not UTF-8. */
export function bodyText(body: Uint8Array): string | null {
  try {
    return decoder.decode(body);
  } catch {
    return null;
  }
}
