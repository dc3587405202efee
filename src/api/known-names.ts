/**
 * What an isolate remembers of the catalog: names that it has. The catalog is one object, and almost every request about a registered DAG
 * would ask it first. That it does not have a name is not remembered, so that what is made is there at once, everywhere.
 *
 * @module
 */

/** Milliseconds that a name is taken for known after the catalog had it. Its own object says more exactly whether it still is. */
export const KNOWN_MS = 30_000;
/** Names remembered per catalog; the first ones go first. */
const MOST_KNOWN = 10_000;

/** Names of one kind that the catalog had lately. */
export class KnownNames {
  /** Times (epoch ms) by the binding of the catalog and the name. */
  readonly #known = new WeakMap<object, Map<string, number>>();
  /** Goes up when a name is forgotten, so that what was asked before is not remembered after it. */
  #changes = 0;

  /** Says whether the catalog has a name, or had it in the last 30 s. */
  async hasLately(catalog: object, name: string, ask: () => Promise<boolean>): Promise<boolean> {
    const at = this.#known.get(catalog)?.get(name);
    const now = Date.now();
    // Also asked again after the clock stepped back.
    return at !== undefined && now >= at && now - at < KNOWN_MS ? true : this.has(catalog, name, ask);
  }

  /** Says whether the catalog has a name now. */
  async has(catalog: object, name: string, ask: () => Promise<boolean>): Promise<boolean> {
    const asked = this.#changes;
    const isThere = await ask();
    if (!isThere) {
      this.forget(catalog, name);
    } else if (this.#changes === asked) {
      this.#note(catalog, name);
    }
    return isThere;
  }

  /** The name was taken away. */
  forget(catalog: object, name: string): void {
    this.#changes += 1;
    this.#known.get(catalog)?.delete(name);
  }

  #note(catalog: object, name: string): void {
    const known = this.#known.get(catalog) ?? new Map<string, number>();
    this.#known.set(catalog, known);
    // Behind those that were noted before it.
    known.delete(name);
    known.set(name, Date.now());
    const [oldest] = known.keys();
    if (known.size > MOST_KNOWN && oldest !== undefined) {
      known.delete(oldest);
    }
  }
}
