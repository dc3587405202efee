/**
 * The replay window: how far a signed time may be from now.
 *
 * @module
 */
import { unverified, type Unverified } from "./delivery.ts";

/** Reads the time a sender signed, in whole seconds since the epoch, or says why it is refused. */
export function readSignedTime(
  text: string,
  place: string,
  toleranceSeconds: number,
  now: number,
): { ok: true; seconds: number } | Unverified {
  if (!/^\d{1,12}$/.test(text)) {
    return unverified(`expected ${place} to be seconds since 1970, got ${JSON.stringify(text.slice(0, 40))}`);
  }
  const seconds = Number(text);
  const age = Math.floor(now / 1000) - seconds;
  if (Math.abs(age) > toleranceSeconds) {
    const found = age > 0 ? `${age} s old` : `${-age} s in the future`;
    return unverified(
      `expected a signed time within ${toleranceSeconds} s of now, got one that is ${found} (${place})`,
    );
  }
  return { ok: true, seconds };
}
