import { watchBookOf } from "../src/engine/watch.ts";
import { openWatchBook, type ObjectEnv } from "./env.ts";

/** Tells the sweeper when an object has something to do. Should that get lost, the object's own alarm is all there is. */
export async function tellSweeper(env: ObjectEnv, name: string, dueAt: number): Promise<void> {
  try {
    await openWatchBook(env, watchBookOf(name)).expect(name, dueAt);
  } catch (error) {
    console.warn({ event: "sweeper_not_told", name, error: String(error) });
  }
}
