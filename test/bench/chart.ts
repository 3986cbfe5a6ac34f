import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

import { PUBLISHED } from "./docs-table.ts";
import type { Results, WorkResult } from "./results.ts";
import { figure } from "./table.ts";

const COLORS: Readonly<Record<string, string>> = {
  Kilde: "#d1495b",
  "bare loop": "#8d99ae",
  "NATS JetStream": "#27a9e1",
  "Redis streams": "#e09f3e",
  UmaDB: "#6a4c93",
  "message-db": "#336791",
  Emmett: "#2a9d8f",
};

const WIDTH = 1_000;
const LEFT = 380;
/** Room for half of a tick's label. */
const EDGE = 24;
const ROW_HEIGHT = 18;
const HEADER_HEIGHT = 34;
const GAP = 12;
const TICKS_MS = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];
const SHARE = { throughput: 0.58, latency: 0.42 } as const;

interface Bar {
  readonly label: string;
  readonly contender: string;
  readonly value: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function barsOf({ rows }: WorkResult): Bar[] {
  return rows.map(({ contender, way, value, p50Ms, p99Ms }) => ({
    label: way === null ? contender : `${contender}: ${way}`,
    // Stores of Kilde of several sizes have names of their own.
    contender: Object.hasOwn(COLORS, contender) ? contender : "Kilde",
    value,
    p50Ms: p50Ms ?? Number.NaN,
    p99Ms: p99Ms ?? Number.NaN,
  }));
}

/** The part that both halves of a work's picture share: a line for each contender. */
function frame(document: Document, bars: readonly Bar[], width: number, marginLeft: number) {
  return {
    document,
    width,
    marginLeft,
    height: bars.length * ROW_HEIGHT + HEADER_HEIGHT,
    marginTop: 4,
    marginBottom: HEADER_HEIGHT - 4,
    y: { domain: bars.map(({ label }) => label), label: null, axis: marginLeft === EDGE ? null : "left" },
    color: { domain: Object.keys(COLORS), range: Object.values(COLORS) },
  } as const;
}

function throughput(document: Document, bars: readonly Bar[], width: number) {
  const most = Math.max(...bars.map(({ value }) => value));
  return Plot.plot({
    ...frame(document, bars, width, LEFT),
    marginRight: 70,
    x: { domain: [0, most], ticks: 4, tickFormat: "~s", label: "events/s" },
    marks: [
      Plot.barX(bars, { x: "value", y: "label", fill: "contender", insetTop: 2, insetBottom: 2 }),
      Plot.text(bars, {
        x: "value",
        y: "label",
        text: (bar: Bar) => figure(bar.value),
        textAnchor: "start",
        dx: 4,
      }),
    ],
  });
}

/** From the median, the dot, to the 99th percentile, the end of the line. */
function latency(document: Document, bars: readonly Bar[], width: number) {
  const timed = bars.filter(({ p50Ms }) => !Number.isNaN(p50Ms));
  const least = Math.min(...timed.map(({ p50Ms }) => p50Ms));
  const most = Math.max(...timed.map(({ p99Ms }) => p99Ms));
  return Plot.plot({
    ...frame(document, bars, width, EDGE),
    marginRight: EDGE,
    x: {
      type: "log",
      domain: [least / 1.2, most * 1.2],
      label: "ms, p50 to p99",
      ticks: TICKS_MS.filter((tick) => tick >= least / 1.2 && tick <= most * 1.2),
      tickFormat: (tick: number) => String(tick),
      grid: true,
    },
    marks: [
      Plot.ruleY(timed, { x1: "p50Ms", x2: "p99Ms", y: "label", stroke: "contender", strokeWidth: 3 }),
      Plot.dot(timed, { x: "p50Ms", y: "label", fill: "contender", r: 4 }),
    ],
  });
}

function placed(svg: Element, x: number, y: number): string {
  // Its rules are for a picture in a page; within another picture they would stretch it.
  svg.querySelector("style")?.remove();
  svg.setAttribute("x", String(x));
  svg.setAttribute("y", String(y));
  return svg.outerHTML;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function isDrawn({ name, unit, rows }: WorkResult): boolean {
  return unit === "events/s" && rows.length > 0 && PUBLISHED.includes(name);
}

/** Throughput, and latency of the works that have it. */
export function drawChart({ machine, works }: Results): string {
  const { document } = parseHTML("<!doctype html><html></html>");
  const left = WIDTH * SHARE.throughput;
  const parts: string[] = [];
  let y = 24;
  const caption = (text: string, size: number) => {
    parts.push(`<text x="8" y="${y}" font-size="${size}" font-weight="bold">${escaped(text)}</text>`);
    y += 8;
  };
  for (const work of works.filter(isDrawn)) {
    const bars = barsOf(work);
    caption(work.title, 13);
    parts.push(placed(throughput(document, bars, left), 0, y));
    if (bars.some(({ p50Ms }) => !Number.isNaN(p50Ms))) {
      parts.push(placed(latency(document, bars, WIDTH * SHARE.latency), left, y));
    }
    y += bars.length * ROW_HEIGHT + HEADER_HEIGHT + GAP * 2;
  }
  const { cores, cpu, fileSystem } = machine;
  const note = `${cores} cores (${cpu}), files on ${fileSystem}; load generator and servers share them`;
  parts.push(`<text x="8" y="${y}" font-size="11" fill="#555">${escaped(note)}</text>`);
  y += GAP;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}"`,
    ' font-family="system-ui, sans-serif">',
    '<rect width="100%" height="100%" fill="white"/>',
    ...parts,
    "</svg>\n",
  ].join("\n");
}
