import UPlot from "uplot";

import { formatShort } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";

/** The unit of values: it decides the steps and texts of the axis. */
export type ChartUnit = "count" | "seconds";

export interface DrawOptions {
  readonly name: string;
  readonly unit: ChartUnit;
  /** The current data. */
  readonly data: () => UPlot.AlignedData;
}

export interface DrawnChart {
  readonly plot: UPlot;
  readonly close: () => void;
}

const HEIGHT = 180;

/** Steps of an axis of durations: round numbers of seconds, minutes, hours, and days. */
const SECOND_STEPS = [
  1, 5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800,
];

const TO_THE_MINUTE = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
const MINUTES = new Intl.DateTimeFormat("en", TO_THE_MINUTE);
const SECONDS = new Intl.DateTimeFormat("en", { ...TO_THE_MINUTE, second: "2-digit" });

function formatValue(unit: ChartUnit, value: number): string {
  return unit === "seconds" ? formatDuration(value) : formatShort(value);
}

/** The options of a chart in an element, whose style has the colors: `color`, `border-color`, and `outline-color`. */
function optionsOf(host: HTMLElement, { name, unit }: DrawOptions): UPlot.Options {
  const style = getComputedStyle(host);
  // Colors are read for each drawing, so that another color scheme changes them.
  const grid = { stroke: () => style.borderTopColor, width: 1 };
  const axis = { stroke: () => style.color, grid, ticks: grid };
  return {
    width: host.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    scales: { y: { range: (_, __, highest) => [0, Math.max(1, (highest ?? 0) * 1.05)] } },
    axes: [
      {
        ...axis,
        space: 60,
        values: (_, times, __, ___, step) =>
          times.map((time) => (step < 60 ? SECONDS : MINUTES).format(time * 1_000)),
      },
      {
        ...axis,
        size: 60,
        values: (_, values) => values.map((value) => formatValue(unit, value)),
        ...(unit === "seconds" ? { incrs: SECOND_STEPS } : {}),
      },
    ],
    series: [
      { label: "Time", value: (_, time) => (time === null ? "–" : SECONDS.format(time * 1_000)) },
      {
        label: name,
        stroke: () => style.outlineColor,
        width: 1.5,
        points: { show: false },
        value: (_, value) => (value === null ? "–" : formatValue(unit, value)),
      },
    ],
  };
}

/** Draws a line in an element, whose width it follows. Only views with charts load this file, which has the library. */
export function drawChart(host: HTMLElement, options: DrawOptions): DrawnChart {
  const plot = new UPlot(optionsOf(host, options), options.data(), host);
  const resized = new ResizeObserver(() => plot.setSize({ width: host.clientWidth, height: HEIGHT }));
  resized.observe(host);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = (): void => plot.redraw();
  scheme.addEventListener("change", redraw);
  return {
    plot,
    close() {
      scheme.removeEventListener("change", redraw);
      resized.disconnect();
      plot.destroy();
    },
  };
}
