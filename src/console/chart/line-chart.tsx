import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type uPlot from "uplot";

import type { ChartSeries } from "./series-with-gaps.ts";
import type { ChartUnit } from "./draw-chart.ts";

export interface LineChartProps {
  /** Describes the line to readers who do not see it. */
  readonly label: string;
  /** Name of the values, such as `Events`. */
  readonly name: string;
  readonly unit: ChartUnit;
  readonly series: ChartSeries;
}

/** Draws a line over time. The library loads with the first chart. */
export function LineChart({ label, name, unit, series }: LineChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const hasFailed = useSignal(false);
  const data: uPlot.AlignedData = [[...series.times], [...series.values]];
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    let isShown = true;
    let stop = (): void => {};
    import("./draw-chart.ts").then(
      ({ drawChart }) => {
        if (!isShown || host.current === null) return;
        const { plot, close } = drawChart(host.current, { name, unit, data: () => latest.current });
        chart.current = plot;
        stop = close;
      },
      () => {
        hasFailed.value = true;
      },
    );
    return () => {
      isShown = false;
      chart.current = null;
      stop();
    };
  }, [name, unit]);

  useEffect(() => {
    chart.current?.setData(latest.current);
  }, [series]);

  if (hasFailed.value) return <p class="muted">The chart could not be loaded; the table has its numbers.</p>;
  return <div class="chart" role="img" aria-label={label} ref={host} />;
}
