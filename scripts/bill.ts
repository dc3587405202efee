/**
 * `npm run bill`: prints the tables of docs/cloudflare.md, what the worked examples use and what that costs. With `--write` they are put
 * into the document, with `--check` they are compared with it.
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bill, BILLED, marginal, marginalByItem } from "./bill/bill.ts";
import { EXAMPLES, UNITS, usageOf } from "./bill/examples.ts";
import { PRICES, PRICES_OF } from "./bill/prices.ts";
import { PROJECT_ROOT } from "./project.ts";

const DOCUMENT = join(PROJECT_ROOT, "docs", "cloudflare.md");
/** Dollars below which a table shows none. */
const LEAST_SHOWN = 0.005;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, index) => (index === 0 ? "---" : "---:")), ...rows];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** What a unit of each example uses. */
function unitsTable(): string {
  const rows = EXAMPLES.map(({ unit, label }) => {
    const { objectRequests, rowsWritten, messages, workerRequests, rowsRead } = UNITS[unit];
    return [label, ...[objectRequests, rowsWritten, messages, workerRequests, rowsRead].map(shownCount)];
  });
  return table(
    ["unit", "object requests", "rows written", "messages", "Worker requests and batches", "rows read"],
    rows,
  );
}

/** What a month of each example costs. */
function monthsTable(): string {
  const rows = EXAMPLES.map((example) => {
    const usage = usageOf(example);
    const byItem = marginalByItem(usage);
    const items = BILLED.map((item) => shownDollars(byItem[item]));
    return [example.month, ...items, `**${shownDollars(marginal(usage))}**`, `**${shownDollars(bill(usage))}**`];
  });
  return table(["a month of", ...BILLED.map((item) => PRICES[item].label), "marginal", "bill"], rows);
}

/** The prices, each with its page. */
function pricesTable(): string {
  const rows = BILLED.map((item) => {
    const { label, dollars, per, included, page } = PRICES[item];
    const unit = per === 1 ? "GB" : "million";
    return [label, `$${dollars} per ${unit}`, shownCount(included), `[page](${page})`];
  });
  return table(["what", "price", "included each month", "page"], rows);
}

function shownCount(count: number): string {
  return count.toLocaleString("en-US");
}

function shownDollars(dollars: number): string {
  return dollars < LEAST_SHOWN ? "–" : `$${dollars.toFixed(2)}`;
}

const TABLES = { units: unitsTable(), months: monthsTable(), prices: pricesTable() };

function filled(text: string): string {
  if (!text.includes(PRICES_OF)) {
    throw new Error(`expected docs/cloudflare.md to say that prices are those of ${PRICES_OF}, it does not`);
  }
  return Object.entries(TABLES).reduce((before, [name, content]) => {
    const after = before.replace(
      new RegExp(`(<!-- bill: ${name} -->\n)[\\s\\S]*?(<!-- end of bill: ${name} -->)`),
      (_match, begin: string, end: string) => `${begin}\n${content}\n\n${end}`,
    );
    if (!after.includes(content)) {
      throw new Error(`expected docs/cloudflare.md to have the lines <!-- bill: ${name} --> and its end, it has not`);
    }
    return after;
  }, text);
}

/** A document without what the formatter does to tables. */
function bare(text: string): string {
  return text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
}

const { values } = parseArgs({
  options: { write: { type: "boolean", default: false }, check: { type: "boolean", default: false } },
});
const current = readFileSync(DOCUMENT, "utf8");
if (values.write) {
  writeFileSync(DOCUMENT, filled(current));
  console.log("docs/cloudflare.md is written; npm run format aligns its tables");
} else if (values.check) {
  if (bare(filled(current)) !== bare(current)) {
    console.error("docs/cloudflare.md: the tables of the bill are not current: run npm run bill -- --write");
    process.exitCode = 1;
  }
} else {
  console.log(Object.values(TABLES).join("\n\n"));
}
