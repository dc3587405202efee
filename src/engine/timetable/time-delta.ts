/**
 * Lengths of time as Python's `str(timedelta)` writes them, which is Airflow's summary of a delta.
 *
 * @module
 */

/**
 * @example
 * formatDelta(90_000_000); // "1 day, 1:00:00"
 */
export function formatDelta(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const days = Math.floor(seconds / 86_400);
  const [minute, second] = [Math.floor(seconds / 60) % 60, seconds % 60].map((part) => String(part).padStart(2, "0"));
  const fraction = ms % 1000 === 0 ? "" : `.${String(ms % 1000).padStart(3, "0")}000`;
  const clock = `${Math.floor(seconds / 3600) % 24}:${minute}:${second}${fraction}`;
  return days === 0 ? clock : `${days} day${days === 1 ? "" : "s"}, ${clock}`;
}
