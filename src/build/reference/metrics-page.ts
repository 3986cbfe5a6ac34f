import { metricDescriptions } from "../../http/service/metrics.ts";
import { code, referencePage, table } from "./markdown.ts";

/** The metrics of `GET /metrics`. */
export function metricsPage(): string {
  const rows = metricDescriptions().map(({ name, help, labelNames }) => [
    code(name),
    labelNames.map(code).join(", "),
    help,
  ]);
  return referencePage("Metrics", "`src/http/service/metrics.ts`", [
    "`GET /metrics` answers in the text format of Prometheus. All metrics are gauges, read from the database when they are asked for. A server with tenants adds the label `tenant` to each. [Monitor a server](../operate/monitor.md) shows which ones to alert on.",
    table(["name", "labels", "meaning"], rows),
  ]);
}
