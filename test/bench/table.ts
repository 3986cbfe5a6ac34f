import { median } from "./sample.ts";
import type { Machine, Row, Verdict, WorkResult } from "./results.ts";

/** Figures as one reads them: three digits that count. */
export function figure(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}

function decimals(value: number | null, digits: number): string {
  return value === null || Number.isNaN(value) ? "" : value.toFixed(digits);
}

function labelOf({ contender, way }: Row): string {
  return way === null ? contender : `${contender}: ${way}`;
}

function cellsOf(row: Row): string[] {
  return [
    labelOf(row),
    figure(row.value),
    decimals(row.p50Ms, 2),
    decimals(row.p99Ms, 2),
    decimals(row.serverCores, 1),
    decimals(row.clientCores, 1),
    decimals(row.otherCores, 1),
    decimals(row.ratio, 2),
  ];
}

/** The first column to the left, figures to the right. A column that is empty throughout is left out. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const [header = [], ...body] = rows;
  const shown = header.map((_, column) => column).filter((column) => body.some((row) => row[column] !== ""));
  const widths = shown.map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    shown
      .map((column, place) => {
        const cell = row[column] ?? "";
        const width = widths[place] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
}

function verdictLine({ text, measured, reached }: Verdict): string {
  if (measured === null) return `  not measured (${text})`;
  return `  ${reached ? "reached" : "NOT REACHED"}: ${figure(measured)} (${text})`;
}

/** Cores that others may keep busy before the figures are in doubt: the kernel itself needs some. */
const TOLERABLE_CORES = 0.5;

function disturbance(rows: readonly Row[]): string[] {
  const others = rows.map(({ otherCores }) => otherCores).filter((cores) => cores !== null);
  const cores = others.length === 0 ? 0 : median(others);
  if (cores < TOLERABLE_CORES) return [];
  return [`  in doubt: other programs kept ${decimals(cores, 1)} cores busy meanwhile`];
}

export function workTable({ title, unit, rows, verdicts }: WorkResult): string {
  const header = ["", unit, "p50 ms", "p99 ms", "server cores", "client cores", "other cores", "first ÷ it"];
  return [
    title,
    ...aligned([header, ...rows.map(cellsOf)]),
    ...verdicts.map(verdictLine),
    ...disturbance(rows),
  ].join("\n");
}

export function machineLines(machine: Machine): string {
  const { cores, cpu, memoryGb, kernel, fileSystem, versions, missing } = machine;
  return [
    `${cores} cores, ${cpu}, ${memoryGb} GB, ${kernel}, files on ${fileSystem}`,
    ...Object.entries(versions).map(([name, version]) => `  ${name}: ${version}`),
    ...Object.entries(missing).map(([name, reason]) => `  ${name}: not compared with, ${reason}`),
  ].join("\n");
}

/** All targets in three groups; `without` are those of works without a result. */
export function targetLines(works: readonly WorkResult[], without: readonly string[]): string {
  const all = works.flatMap(({ title, verdicts }) =>
    verdicts.map((verdict) => ({
      ...verdict,
      line: `  ${title}: ${figure(verdict.measured)} (${verdict.text})`,
    })),
  );
  const group = (name: string, lines: readonly string[]) => [`${name}: ${lines.length}`, ...lines];
  const lines = (wanted: (verdict: Verdict) => boolean) => all.filter(wanted).map(({ line }) => line);
  return [
    ...group(
      "Targets reached",
      lines(({ reached }) => reached),
    ),
    ...group(
      "Targets missed",
      lines(({ reached, measured }) => !reached && measured !== null),
    ),
    ...group("Targets not measured", [
      ...lines(({ measured }) => measured === null),
      ...without.map((text) => `  ${text}`),
    ]),
  ].join("\n");
}
