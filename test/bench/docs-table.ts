import type { Machine, Results, Row, WorkResult } from "./results.ts";

/* The table of the documentation, written from one run. */

/** Works that the documentation shows, in this order. */
export const PUBLISHED: readonly string[] = [
  "append-1",
  "append-64",
  "append-256",
  "client-64",
  "batch-1",
  "batch-64",
  "append-feeds",
  "append-subscription",
  "feed-latency",
  "feed-latency-load",
  "projection",
  "pages",
  "stream-64",
  "followers",
  "node-client-64",
  "node-client-1",
  "node-client-streams",
  "deliveries",
  "delivery-latency",
  "consume",
  "ensure",
  "import",
  "scale-append-64",
  "memory",
  "start",
];

const BEGIN = "<!-- Written by `npm run bench`, from here to the next comment. -->";
const END = "<!-- The end of that. -->";

const OTHERS: ReadonlySet<string> = new Set([
  "bare loop",
  "NATS JetStream",
  "Redis streams",
  "UmaDB",
  "message-db",
  "Emmett",
]);

function threeDigits(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** Latencies of works at a fixed pace, or with one in flight; rates of the others, whose latency is that of a queue. */
function figureOf({ value, p50Ms, p99Ms }: Row, { name, unit }: WorkResult): string {
  if (p50Ms !== null && p99Ms !== null && (unit === "ms" || name.endsWith("-1"))) {
    return `${threeDigits(p50Ms)} ms, p99 ${threeDigits(p99Ms)} ms`;
  }
  if (unit === "events/s" || unit === "subjects/s") return `${threeDigits(value)} a second`;
  return `${threeDigits(value)} ${unit}`;
}

function labelOf({ contender, way }: Row): string {
  return [...(contender === "Kilde" ? [] : [contender]), ...(way === null ? [] : [way])].join(", ");
}

function rowOf(work: WorkResult): string {
  const ours = work.rows.filter(({ contender }) => !OTHERS.has(contender));
  const others = work.rows.filter(({ contender }) => OTHERS.has(contender));
  const figures = (rows: readonly Row[]) =>
    rows.map((row) => `${labelOf(row)}: ${figureOf(row, work)}`).join("; ");
  const [only] = ours;
  const own = ours.length === 1 && only !== undefined ? figureOf(only, work) : figures(ours);
  return `| ${work.title} | ${own} | ${figures(others)} |`;
}

function introduction(machine: Machine, rounds: number, seconds: number): string {
  const { cores, cpu, memoryGb, kernel, versions } = machine;
  const bun = versions["Bun"] ?? "";
  return `On _${cores}_ cores (${cpu}, ${memoryGb} GB, ${kernel}, Bun ${bun}), medians of ${rounds} rounds of ${seconds} seconds, or of
three where no target is set, with the load generator on the same cores. One connection: the time of a request.`;
}

function tableOf({ machine, rounds, roundSeconds, works }: Results): string {
  const published = PUBLISHED.flatMap((name) =>
    works.filter((work) => work.name === name && work.rows.length > 0),
  );
  return [
    introduction(machine, rounds, roundSeconds),
    "",
    "| | Kilde | beside |",
    "| --- | --- | --- |",
    ...published.map(rowOf),
  ].join("\n");
}

/** Replaces the table in the text of a page. Throws when the page does not mark its place. */
export function withTable(page: string, results: Results): string {
  const [before, rest] = page.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${before}${BEGIN}\n\n${tableOf(results)}\n\n${END}${after}`;
}
