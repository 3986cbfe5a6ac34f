import { useMemo } from "preact/hooks";

import type { ConsumerInfo, ConsumerLag } from "../../client/types.ts";
import { LineChart } from "../chart/line-chart.tsx";
import { seriesWithGaps } from "../chart/series-with-gaps.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount, formatCounted } from "../format/counts.ts";
import { formatDuration } from "../format/times.ts";
import { CONSUMERS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import type { ConsumedLog } from "./consumed-log.ts";
import { hourlyLag, withCurrentLag } from "./hourly-lag.ts";

/** The server adds a sample every five minutes. */
const REST_MS = 60_000;

export interface LagChartsProps {
  readonly log: ConsumedLog;
  readonly info: ConsumerInfo;
}

function LagTable({ samples }: Pick<ConsumerLag, "samples">) {
  return (
    <details>
      <summary>The numbers as a table</summary>
      <DataTable
        caption="Highest lag in each hour, the latest first"
        columns={["Hour from", "Most events behind", "Oldest event behind"]}
      >
        {hourlyLag({ samples }).map(({ hour, events, seconds }) => (
          <tr key={hour}>
            <th scope="row">
              <Time time={hour} isExact />
            </th>
            <td>{formatCount(events)}</td>
            <td>{formatDuration(seconds)}</td>
          </tr>
        ))}
      </DataTable>
    </details>
  );
}

/** Shows the lag of a consumer in the last 24 hours, in events and in seconds. */
export function LagCharts({ log, info }: LagChartsProps) {
  const { client, nowMs } = useConsole();
  const { consumer, lag } = info;
  const { value, error, reload } = useResource(
    `${log.path}\n${consumer}`,
    () => client.consumerLag(consumer, log.feed),
    [CONSUMERS_TOPIC],
    { restMs: REST_MS },
  );
  const charts = useMemo(() => {
    if (value === undefined) return null;
    const samples = withCurrentLag(value, lag, nowMs.peek());
    const lineOf = (name: "events" | "seconds") =>
      seriesWithGaps(
        samples.map((sample) => ({ time: sample.time, value: sample[name] })),
        value.stepSeconds,
      );
    return { samples, events: lineOf("events"), seconds: lineOf("seconds") };
  }, [value, lag.events, lag.seconds]);
  if (charts === null)
    return error === null ? <p class="muted">Loading…</p> : <Problem error={error} onRetry={reload} />;
  const { samples, events, seconds } = charts;
  const most = {
    events: Math.max(...samples.map((sample) => sample.events)),
    seconds: Math.max(...samples.map((sample) => sample.seconds)),
  };
  const eventsText = `${formatCounted(lag.events, "event")} behind now, ${formatCount(most.events)} at most`;
  const secondsText = `The oldest waits for ${formatDuration(lag.seconds)} now, ${formatDuration(most.seconds)} at most`;
  return (
    <>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {samples.length === 1 && (
        <p class="muted">Kilde adds a sample every five minutes, of consumers that commit or read.</p>
      )}
      <div class="charts">
        <figure>
          <figcaption>{eventsText}</figcaption>
          <LineChart
            label={`Lag in events in the last 24 hours: ${eventsText}`}
            name="Events"
            unit="count"
            series={events}
          />
        </figure>
        <figure>
          <figcaption>{secondsText}</figcaption>
          <LineChart
            label={`Age of the oldest event it lacks, in the last 24 hours: ${secondsText}`}
            name="Age"
            unit="seconds"
            series={seconds}
          />
        </figure>
      </div>
      <LagTable samples={samples} />
    </>
  );
}
