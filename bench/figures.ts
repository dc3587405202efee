/**
 * What the benchmark says: one JSON object per figure.
 *
 * @module
 */
import { appendFileSync, writeFileSync } from "node:fs";
import { median, rounded } from "./statistics.ts";

/** How the Worker was served. `workflows`: Cloudflare Workflows in the same bundle, served as `npm start` serves it. */
export type ServedBy = "npm start" | "wrangler dev" | "workflows";

/** One figure: the median of its runs. */
export interface Figure {
  name: string;
  unit: string;
  value: number;
  runs: number[];
  served_by: ServedBy;
  /** What was asked for, and which way is better. */
  target?: { at_most: number } | { at_least: number };
  met?: boolean;
  note?: string;
}

/** Where figures go, in the order they are measured. */
export interface FigureSink {
  add(figure: Omit<Figure, "value" | "met">): void;
  all(): Figure[];
}

/** Prints each figure as a line of JSON, and appends it to `file` if there is one. */
export function openFigures(file: string | null): FigureSink {
  const figures: Figure[] = [];
  if (file !== null) {
    writeFileSync(file, "");
  }
  return {
    add(measured) {
      const value = rounded(median(measured.runs));
      const figure: Figure = { ...measured, value, runs: measured.runs.map(rounded) };
      if (measured.target !== undefined) {
        figure.met =
          "at_most" in measured.target ? value <= measured.target.at_most : value >= measured.target.at_least;
      }
      figures.push(figure);
      const line = JSON.stringify(figure);
      console.log(line);
      if (file !== null) {
        appendFileSync(file, `${line}\n`);
      }
    },
    all: () => figures,
  };
}
