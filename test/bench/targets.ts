import { medianOf, pairedRatio } from "./measure.ts";
import type { Round, Row, Verdict } from "./results.ts";
import * as ways from "./ways.ts";

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
  /** Another target that counts as well. */
  readonly insteadOf?: string;
}

const KILDE = "Kilde";
const BARE = { contender: "bare loop" };
const NATS = { contender: "NATS JetStream" };
const REDIS = { contender: "Redis streams" };
const UMADB = { contender: "UmaDB" };
const LARGE_STORE = { contender: "10,000,000 events" };

const kilde = (how: string): Which => ({ contender: KILDE, way: how });
const emmett = (how: string): Which => ({ contender: "Emmett", way: how });
const bare = (how: string): Which => ({ ...BARE, way: how });

/** The same target in each version of Node, beside Emmett in the same one. */
function inEachNode(work: string, least: number): Target[] {
  return ways.NODES.map((node) => ({ work, which: kilde(node), beside: emmett(node), least }));
}

const TARGETS: readonly Target[] = [
  { work: "append-1", field: "p50Ms", beside: BARE, most: 2 },
  { work: "append-64", beside: NATS, least: 0.8 },
  { work: "append-64", beside: { contender: "message-db" }, least: 15 },
  { work: "client-64", beside: NATS, least: 1.5 },
  { work: "client-64", beside: REDIS, least: 1 },
  { work: "client-64", beside: UMADB, least: 2 },
  { work: "batch-1", beside: bare(ways.PREPARED), least: 0.7 },
  { work: "batch-1", beside: UMADB, least: 1.2 },
  { work: "batch-64", beside: bare(ways.SAME_GROUPS), least: 0.7 },
  { work: "batch-64", beside: UMADB, least: 0.5 },
  { work: "pages", beside: BARE, least: 0.5 },
  { work: "pages", beside: REDIS, least: 1 },
  { work: "pages", which: kilde(ways.CLIENT), beside: NATS, least: 1 },
  { work: "stream-64", beside: BARE, least: 0.5 },
  { work: "append-key", beside: { contender: ways.OPEN_STORE }, least: 0.97 },
  { work: "append-key-cpu", beside: { contender: ways.OPEN_STORE }, most: 1.03 },
  { work: "append-feeds", which: kilde(ways.ONE_FEED), beside: kilde(ways.NO_FEED), least: 0.85 },
  { work: "append-feeds", which: kilde(ways.FOUR_FEEDS), beside: kilde(ways.NO_FEED), least: 0.6 },
  { work: "append-feeds", which: kilde(ways.ONE_FEED), beside: { contender: "Emmett" }, least: 10 },
  { work: "append-feeds-cpu", which: kilde(ways.ONE_FEED), most: 25, insteadOf: "0.85 of the appends" },
  {
    work: "append-subscription",
    which: kilde(ways.ONE_SUBSCRIPTION),
    beside: kilde(ways.NO_SUBSCRIPTION),
    least: 0.6,
  },
  { work: "feed-latency", field: "p50Ms", most: 2 },
  { work: "feed-latency", field: "p99Ms", most: 6 },
  { work: "feed-latency-load", field: "p50Ms", most: 25 },
  { work: "feed-latency-load", field: "p99Ms", most: 100 },
  { work: "projection", which: kilde(ways.STATELESS), beside: BARE, least: 0.8 },
  { work: "projection", which: kilde(ways.STATEFUL), beside: BARE, least: 0.7 },
  { work: "projection", which: kilde(ways.FOUR_AT_ONCE), beside: kilde(ways.STATELESS), least: 1.5 },
  ...inEachNode("node-client-64", 6),
  ...inEachNode("node-client-1", 1.2),
  ...inEachNode("node-client-streams", 1.5),
  { work: "deliveries", beside: BARE, least: 0.75 },
  { work: "import", beside: BARE, least: 0.6 },
  { work: "memory", which: kilde(ways.MORE_MEMORY), most: 40 },
  { work: "followers", field: "p99Ms", most: 100 },
  { work: "follower-memory", most: 20 },
  { work: "scale-cost", which: { contender: KILDE }, beside: BARE, most: 1.3 },
  { work: "scale-append-1", beside: LARGE_STORE, most: 1.3 },
  {
    work: "scale-tail",
    beside: { contender: "10,000 events", way: "of a stream of 500,000 events" },
    most: 1.3,
  },
  { work: "start", which: { contender: "binary", way: "new database" }, most: 60 },
  { work: "idle-memory", which: { contender: "binary", way: "idle" }, most: 80 },
];

/** Whether a work, or one of the results of its course, has a target. */
export function hasTargets(name: string): boolean {
  return TARGETS.some(({ work }) => work === name || work.startsWith(`${name}-`));
}

const NAMES: Readonly<Record<Field, string>> = { value: "", p50Ms: "p50 ", p99Ms: "p99 " };

function nameOf({ contender, way }: Which): string {
  return way === undefined ? contender : `${contender}, ${way}`;
}

function textOf({ which, field = "value", beside, least, most, insteadOf }: Target, unit: string): string {
  const bound = least === undefined ? `at most ${most}` : `at least ${least}`;
  const measure = field === "value" ? unit : "ms";
  const figure = beside === undefined ? ` ${measure}`.trimEnd() : ` times that of ${nameOf(beside)}`;
  const instead = insteadOf === undefined ? "" : `, instead of ${insteadOf}`;
  return `${which === undefined ? "" : `${nameOf(which)}: `}${NAMES[field]}${bound}${figure}${instead}`;
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

/** The targets of a work, and whether they were reached. */
export function verdictsFor(work: string, unit: string, rows: readonly Row[]): Verdict[] {
  return TARGETS.filter((target) => target.work === work).map((target) => {
    const figure = measured(target, rows);
    const { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY } = target;
    const reached = figure !== null && figure >= least && figure <= most;
    return { text: textOf(target, unit), measured: figure, reached };
  });
}

/** Targets of works that have no result: a work failed, or is named otherwise. */
export function targetsWithoutResult(works: readonly string[]): string[] {
  return TARGETS.filter(({ work }) => !works.includes(work)).map(
    (target) => `${target.work}: ${textOf(target, "")}`,
  );
}
