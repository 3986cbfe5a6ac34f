import { CLIENT_WAY } from "./kilde.ts";
import { pairedRatio } from "./measure.ts";
import type { Row, Verdict } from "./results.ts";

interface RatioTarget {
  readonly work: string;
  /** Where it is not Kilde's first way that is to reach it. */
  readonly by?: string;
  readonly beside: string;
  /** Where a contender does it in several ways. */
  readonly way?: string;
  /** Kilde's throughput over the other's. */
  readonly atLeast: number;
}

interface ValueTarget {
  readonly work: string;
  readonly contender: string;
  readonly way: string;
  readonly atMost: number;
}

const RATIOS: readonly RatioTarget[] = [
  { work: "append-64", beside: "NATS JetStream", atLeast: 0.75 },
  { work: "append-64", beside: "message-db", atLeast: 8 },
  { work: "batch-1", beside: "bare loop", way: "@libsql/client, batch", atLeast: 0.5 },
  { work: "batch-64", beside: "bare loop", way: "@libsql/client, batch", atLeast: 0.5 },
  { work: "pages", beside: "bare loop", atLeast: 0.5 },
  { work: "pages", beside: "Redis streams", atLeast: 1 },
  { work: "pages", by: CLIENT_WAY, beside: "NATS JetStream", atLeast: 1 },
  { work: "stream-64", beside: "bare loop", atLeast: 0.5 },
  { work: "projection", beside: "bare loop", atLeast: 0.6 },
  { work: "deliveries", beside: "bare loop", atLeast: 0.4 },
];

const VALUES: readonly ValueTarget[] = [
  { work: "start", contender: "binary", way: "new database", atMost: 60 },
  { work: "idle-memory", contender: "binary", way: "idle", atMost: 80 },
];

/** What was to be reached in a work, and whether it was. Says nothing of what was not measured. */
export function verdictsFor(work: string, unit: string, rows: readonly Row[]): Verdict[] {
  const ratios = RATIOS.filter((target) => target.work === work).flatMap(({ by, beside, way, atLeast }) => {
    const row = rows.find((each) => each.contender === beside && (way === undefined || each.way === way));
    const ours = rows.find((each) => by !== undefined && each.way === by);
    if (row === undefined || (by !== undefined && ours === undefined)) return [];
    const ratio = ours === undefined ? row.ratio : pairedRatio(ours.rounds, row.rounds);
    if (ratio === null) return [];
    const text = `at least ${atLeast} of ${beside}${way === undefined ? "" : ` (${way})`}`;
    const subject = by === undefined ? "" : `${by}: `;
    return [{ text: subject + text, measured: ratio, reached: ratio >= atLeast }];
  });
  const values = VALUES.filter((target) => target.work === work).flatMap(({ contender, way, atMost }) => {
    const row = rows.find((each) => each.contender === contender && each.way === way);
    if (row === undefined) return [];
    return [
      { text: `at most ${atMost} ${unit}, ${contender}`, measured: row.value, reached: row.value <= atMost },
    ];
  });
  return [...ratios, ...values];
}
