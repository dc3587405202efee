/**
 * Airflow's search patterns: SQL `ILIKE` with the text anywhere, `a|b` for either, `~` for everything.
 *
 * @module
 */

/** Says whether `text` fits `pattern`, in which `%` stands for any text and `_` for one character. Case does not count. */
export function matchesPattern(text: string, pattern: string): boolean {
  const lower = text.toLowerCase();
  return pattern.split("|").some((option) => option === "~" || isLike(lower, `%${option.toLowerCase()}%`));
}

/** Two pointers and one place to come back to, so that no pattern takes more than length times length. */
function isLike(text: string, pattern: string): boolean {
  let at = 0;
  let wanted = 0;
  let lastPercent = -1;
  let resumeAt = 0;
  while (at < text.length) {
    const symbol = pattern.charAt(wanted);
    if (symbol === "%") {
      lastPercent = wanted;
      resumeAt = at;
      wanted += 1;
    } else if (symbol !== "" && (symbol === "_" || symbol === text.charAt(at))) {
      at += 1;
      wanted += 1;
    } else if (lastPercent !== -1) {
      resumeAt += 1;
      at = resumeAt;
      wanted = lastPercent + 1;
    } else {
      return false;
    }
  }
  return /^%*$/.test(pattern.slice(wanted));
}
