import { OPEN_STORE } from "./keys.ts";
import { CLIENT_WAY } from "./kilde.ts";
import { medianOf, pairedRatio } from "./measure.ts";
import type { Round, Row, Verdict } from "./results.ts";

/** Which of the rows of a work: the contender's first, or the one that does it in a certain way. */
interface Which {
  readonly contender: string;
  readonly way?: string;
}

/** The figure that each round gives. Default: `value`, which of most works is the throughput. */
type Field = "value" | "p50Ms" | "p99Ms";

interface Target {
  readonly work: string;
  /** Default: Kilde's first row. */
  readonly which?: Which;
  readonly field?: Field;
  /** The divisor, round by round; without it the figure itself counts. */
  readonly beside?: Which;
  readonly least?: number;
  readonly most?: number;
}

const KILDE = "Kilde";
const BARE = "bare loop";
const LARGE_STORE = { contender: "10,000,000 events" };

const TARGETS: readonly Target[] = [
  { work: "append-1", field: "p50Ms", beside: { contender: BARE }, most: 2 },
  { work: "append-64", beside: { contender: "NATS JetStream" }, least: 1 },
  { work: "append-64", beside: { contender: "message-db" }, least: 15 },
  { work: "batch-1", beside: { contender: BARE, way: "libsql, prepared" }, least: 0.7 },
  { work: "batch-64", beside: { contender: BARE, way: "libsql, prepared" }, least: 0.7 },
  { work: "pages", beside: { contender: BARE }, least: 0.5 },
  { work: "pages", beside: { contender: "Redis streams" }, least: 1 },
  {
    work: "pages",
    which: { contender: KILDE, way: CLIENT_WAY },
    beside: { contender: "NATS JetStream" },
    least: 1,
  },
  { work: "stream-64", beside: { contender: BARE }, least: 0.5 },
  { work: "append-key", beside: { contender: OPEN_STORE }, least: 0.97 },
  { work: "append-key-cpu", beside: { contender: OPEN_STORE }, most: 1.03 },
  { work: "projection", beside: { contender: BARE }, least: 0.6 },
  { work: "deliveries", beside: { contender: BARE }, least: 0.6 },
  { work: "followers", field: "p99Ms", most: 100 },
  { work: "follower-memory", most: 20 },
  { work: "scale-append-64", beside: LARGE_STORE, most: 1.3 },
  { work: "scale-append-1", beside: LARGE_STORE, most: 1.3 },
  {
    work: "scale-tail",
    beside: { contender: "10,000 events", way: "of a stream of 500,000 events" },
    most: 1.3,
  },
  { work: "start", which: { contender: "binary", way: "new database" }, most: 60 },
  { work: "idle-memory", which: { contender: "binary", way: "idle" }, most: 80 },
];

const NAMES: Readonly<Record<Field, string>> = { value: "", p50Ms: "p50 ", p99Ms: "p99 " };

function nameOf({ contender, way }: Which): string {
  return way === undefined ? contender : `${contender}, ${way}`;
}

function textOf({ which, field = "value", beside, least, most }: Target, unit: string): string {
  const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
  const measure = field === "value" ? unit : "ms";
  const figure = beside === undefined ? ` ${measure}` : ` times that of ${nameOf(beside)}`;
  return `${which === undefined ? "" : `${nameOf(which)}: `}${NAMES[field]}${bound}${figure}`;
}

function measured({ which, field = "value", beside }: Target, rows: readonly Row[]): number | null {
  const find = (wanted: Which | undefined) =>
    wanted === undefined
      ? rows[0]
      : rows.find(
          ({ contender, way }) =>
            contender === wanted.contender && (wanted.way === undefined || way === wanted.way),
        );
  const its = find(which)?.rounds;
  if (its === undefined) return null;
  if (beside === undefined) return medianOf(its, field);
  const others = find(beside)?.rounds;
  const valued = (rounds: readonly Round[]) => rounds.map((round) => ({ value: round[field] ?? Number.NaN }));
  return others === undefined ? null : pairedRatio(valued(its), valued(others));
}

/** The targets of a work, and whether they were reached. Omits those that were not measured. */
export function verdictsFor(work: string, unit: string, rows: readonly Row[]): Verdict[] {
  return TARGETS.filter((target) => target.work === work).flatMap((target) => {
    const figure = measured(target, rows);
    if (figure === null) return [];
    const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = target;
    return [{ text: textOf(target, unit), measured: figure, reached: figure >= least && figure <= most }];
  });
}
