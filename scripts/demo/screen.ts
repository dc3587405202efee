/**
 * The terminal: sections, and a block of lines that is painted over while something runs. Where there is no terminal,
 * a block becomes plain lines, each printed once when it is new.
 *
 * @module
 */
import { stripVTControlCharacters, styleText } from "node:util";

/** Where the demo writes. */
export interface Screen {
  /** A headline. */
  section(title: string): void;
  line(text: string): void;
  /** Paints the block over the one before it. */
  paint(lines: string[]): void;
  /** Leaves the last block standing; the next one starts below. */
  settle(): void;
}

type Style = Parameters<typeof styleText>[0];

/** Text in a colour, where colours are shown. */
export function coloured(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/** Opens standard output. */
export function openScreen(): Screen {
  return process.stdout.isTTY ? openTerminal() : openPlain();
}

function openTerminal(): Screen {
  let painted = 0;
  return {
    section(title) {
      process.stdout.write(`\n${coloured("bold", title)}\n`);
    },
    line(text) {
      process.stdout.write(`  ${text}\n`);
    },
    paint(lines) {
      const width = process.stdout.columns;
      const up = painted > 0 ? `\u001B[${painted}A\u001B[0J` : "";
      const cut = lines.map((each) => cutTo(`  ${each}`, width - 1));
      process.stdout.write(`${up}${cut.join("\n")}\n`);
      painted = lines.length;
    },
    settle() {
      painted = 0;
    },
  };
}

function openPlain(): Screen {
  let seen = new Set<string>();
  return {
    section(title) {
      process.stdout.write(`\n${title}\n`);
    },
    line(text) {
      process.stdout.write(`  ${stripVTControlCharacters(text)}\n`);
    },
    paint(lines) {
      for (const each of lines.map((text) => stripVTControlCharacters(text).trimEnd())) {
        if (!seen.has(each)) {
          seen.add(each);
          process.stdout.write(`  ${each}\n`);
        }
      }
    },
    settle() {
      seen = new Set();
    },
  };
}

/** A line that wraps would be counted as one and leave a trace, so it is cut; colours end at the cut. */
function cutTo(text: string, width: number): string {
  return stripVTControlCharacters(text).length <= width
    ? text
    : stripVTControlCharacters(text).slice(0, Math.max(0, width));
}
