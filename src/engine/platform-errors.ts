/**
 * What the platform says of a call that failed, by the flags of its errors.
 *
 * @module
 */

/**
 * Says whether a call may be repeated: the platform says so, or the object was reset under it. What the platform calls
 * overloaded must be left alone.
 */
export function isRetryable(error: unknown): boolean {
  return (hasFlag(error, "retryable") || hasFlag(error, "durableObjectReset")) && !isOverloaded(error);
}

/** Says whether the platform failed the call, not our own code. */
export function isPlatformError(error: unknown): boolean {
  return isRetryable(error) || isOverloaded(error);
}

/** Says whether the object has more calls than it can take. */
export function isOverloaded(error: unknown): boolean {
  return hasFlag(error, "overloaded");
}

function hasFlag(error: unknown, flag: "retryable" | "overloaded" | "durableObjectReset"): boolean {
  return typeof error === "object" && error !== null && Reflect.get(error, flag) === true;
}
