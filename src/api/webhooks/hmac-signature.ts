/**
 * HMAC-SHA256 signatures, compared by WebCrypto in constant time.
 *
 * @module
 */
const encoder = new TextEncoder();

/** Says whether one of `signatures` is the HMAC-SHA256 of `prefix` followed by `body`. */
export async function isSigned(
  secret: string,
  prefix: string,
  body: Uint8Array<ArrayBuffer>,
  signatures: Uint8Array<ArrayBuffer>[],
): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["verify"]);
  const signed = concatenate(encoder.encode(prefix), body);
  const verdicts = await Promise.all(
    signatures.map((signature) => crypto.subtle.verify("HMAC", key, signature, signed)),
  );
  return verdicts.includes(true);
}

/** The bytes of 64 hexadecimal digits, or null. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    return null;
  }
  return Uint8Array.from({ length: 32 }, (_, index) => Number.parseInt(text.slice(index * 2, index * 2 + 2), 16));
}

/** The 32 bytes that base 64, also its form for URLs, stands for, or null. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) {
    return null;
  }
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/").slice(0, 43));
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}

function concatenate(left: Uint8Array, right: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (left.length === 0) {
    return right;
  }
  const bytes = new Uint8Array(left.length + right.length);
  bytes.set(left);
  bytes.set(right, left.length);
  return bytes;
}
