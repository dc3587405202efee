/**
 * Ids of bulk submissions and of their members. A member's id says which batch it belongs to and where it stands in it,
 * so a batch of ten thousand needs no table of ids, and a single job's address leads straight to the right object.
 *
 * A ULID has 128 bits: 48 of time, 80 of randomness. A member id keeps the batch's time and 48 bits made from the whole
 * batch id, and uses the last 32 bits for the position (14 bits) and a check (18 bits) over everything before it.
 *
 * @module
 */
import { createHash } from "node:crypto";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: ReadonlyMap<string, number> = new Map(Array.from(ALPHABET, (char, value) => [char, value]));

/** Canonical ULID: 26 upper-case characters of Crockford's base 32, its time within 48 bits. */
export const ULID_PATTERN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/** Members a batch can number. */
export const MAX_BATCH_MEMBERS = 1 << 14;

const TIME_CHARS = 10;
/** Characters wholly before the last 32 bits; the next one shares its 5 bits between the two parts. */
const PREFIX_CHARS = 19;
const CHECK_BITS = 18;
const CHECK_MASK = (1 << CHECK_BITS) - 1;

/** Says whether `text` is a canonical ULID. */
export function isUlid(text: string): boolean {
  return ULID_PATTERN.test(text);
}

/**
 * The name under which a batch is kept: a ULID of the same time whose last 32 bits are zero. Two batch ids that differ
 * anywhere have different keys, also those of one monotonic generator within one millisecond. Not idempotent: give it
 * the batch id as the caller knows it.
 */
export function batchKey(batchId: string): string {
  const hash = createHash("sha1").update(batchId).digest();
  let prefix = batchId.slice(0, TIME_CHARS);
  let buffer = 0;
  let bits = 0;
  for (const byte of hash.subarray(0, 6)) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      prefix += ALPHABET.charAt((buffer >>> bits) & 31);
    }
    buffer &= (1 << bits) - 1;
  }
  return `${prefix}${ALPHABET.charAt((buffer << 2) & 31)}000000`;
}

/**
 * The id of the member at `index` (from 0) of the batch `batchId`.
 *
 * @throws RangeError if the index is not an integer in 0..16383.
 */
export function memberId(batchId: string, index: number): string {
  return memberIds(batchId, index, index + 1)[0] ?? "";
}

/** The ids of the members `from` (included) to `to` (excluded) of the batch `batchId`, in order. */
export function memberIds(batchId: string, from: number, to: number): string[] {
  if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > MAX_BATCH_MEMBERS) {
    throw new RangeError(`expected member positions within 0..${MAX_BATCH_MEMBERS - 1}, got ${from}..${to - 1}`);
  }
  const key = batchKey(batchId);
  const prefix = key.slice(0, PREFIX_CHARS);
  const shared = digit(key, PREFIX_CHARS);
  const state = hashPrefix(prefix, shared >>> 2);
  const ids: string[] = [];
  for (let index = from; index < to; index += 1) {
    const suffix = ((index << CHECK_BITS) | checkOf(state, index)) >>> 0;
    let id = prefix + ALPHABET.charAt(shared | (suffix >>> 30));
    for (let shift = 25; shift >= 0; shift -= 5) {
      id += ALPHABET.charAt((suffix >>> shift) & 31);
    }
    ids.push(id);
  }
  return ids;
}

/**
 * Reads a member id: the key of its batch and its position, or null if `id` is no member id. A random ULID passes for
 * one with a probability of 2^-18, so who finds no such member must look for an ordinary job.
 */
export function parseMemberId(id: string): { batchKey: string; index: number } | null {
  if (!isUlid(id)) {
    return null;
  }
  const prefix = id.slice(0, PREFIX_CHARS);
  const shared = digit(id, PREFIX_CHARS);
  let suffix = shared & 3;
  for (let position = PREFIX_CHARS + 1; position < id.length; position += 1) {
    suffix = ((suffix << 5) | digit(id, position)) >>> 0;
  }
  const index = suffix >>> CHECK_BITS;
  if ((suffix & CHECK_MASK) !== checkOf(hashPrefix(prefix, shared >>> 2), index)) {
    return null;
  }
  return { batchKey: `${prefix}${ALPHABET.charAt(shared & 28)}000000`, index };
}

function digit(text: string, position: number): number {
  return DIGITS.get(text.charAt(position)) ?? 0;
}

/** FNV-1a over the 96 bits a batch's members share. */
function hashPrefix(prefix: string, lastBits: number): number {
  let hash = 0x811c9dc5;
  for (let position = 0; position < prefix.length; position += 1) {
    hash = Math.imul(hash ^ prefix.charCodeAt(position), 0x01000193);
  }
  return Math.imul(hash ^ lastBits, 0x01000193);
}

/** The check of one position: the position mixed in, then MurmurHash3's finalizer, so that every bit counts. */
function checkOf(prefixHash: number, index: number): number {
  let hash = Math.imul(prefixHash ^ index, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) >>> (32 - CHECK_BITS);
}
