import { useSignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";

import type { Subscription } from "../../client/subscription-types.ts";
import { LineChart } from "../chart/line-chart.tsx";
import { formatShort } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { addSample, type CursorSample, throughputOf } from "./throughput.ts";

const STEP_MS = 5_000;

/** Shows how fast a subscription passes the positions of its log, since the page was opened. */
export function ThroughputChart({ subscription: { cursor } }: { readonly subscription: Subscription }) {
  const { nowMs } = useConsole();
  const samples = useSignal<readonly CursorSample[]>([]);
  const step = Math.floor(nowMs.value / STEP_MS);
  useEffect(() => {
    samples.value = addSample(samples.peek(), { timeMs: nowMs.peek(), cursor });
  }, [step]);
  const series = useMemo(() => throughputOf(samples.value), [samples.value]);
  const latest = series.values.at(-1) ?? 0;
  if (series.values.length < 2) return <p class="muted">Measuring for some seconds…</p>;
  const most = Math.max(...series.values.map((value) => value ?? 0));
  const text = `${formatShort(latest)} positions a second now, ${formatShort(most)} at most since this page was opened`;
  return (
    <figure>
      <figcaption>{text}</figcaption>
      <LineChart label={`Throughput: ${text}`} name="Positions a second" unit="count" series={series} />
    </figure>
  );
}
