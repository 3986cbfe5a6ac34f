import type { Contender, Task } from "./contender.ts";
import { COURSES } from "./courses.ts";
import { PAGE, HISTORY_VERSIONS, BATCH } from "./workload.ts";

/** A work that all contenders do for a given time. */
export interface TimedWork {
  readonly name: string;
  readonly title: string;
  /** Reads need the history, appends an empty store. */
  readonly reads: boolean;
  readonly tasks: (contender: Contender) => Promise<readonly Task[]>;
}

function connections(count: number): string {
  return count === 1 ? "1 connection" : `${count} connections`;
}

function append(inFlight: number): TimedWork {
  return {
    name: `append-${inFlight}`,
    title: `Appends of one event, ${connections(inFlight)}`,
    reads: false,
    tasks: async (contender) => (await contender.singles?.(inFlight)) ?? [],
  };
}

function batch(inFlight: number): TimedWork {
  return {
    name: `batch-${inFlight}`,
    title: `Appends of ${BATCH} events, ${connections(inFlight)}`,
    reads: false,
    tasks: async (contender) => (await contender.batches?.(inFlight)) ?? [],
  };
}

/** Appends in flight through one client of the store's own; the bare loop has none. */
function client(inFlight: number): TimedWork {
  return {
    name: `client-${inFlight}`,
    title: `Appends of one event, ${inFlight} in flight through one client`,
    reads: false,
    tasks: async ({ pid, clientSingles, singles }) =>
      pid === null ? [] : ((await (clientSingles ?? singles)?.(inFlight)) ?? []),
  };
}

function stream(inFlight: number): TimedWork {
  return {
    name: `stream-${inFlight}`,
    title: `One stream's ${HISTORY_VERSIONS} events, ${connections(inFlight)}`,
    reads: true,
    tasks: async (contender) => (await contender.streams?.(inFlight)) ?? [],
  };
}

export const TIMED_WORKS: readonly TimedWork[] = [
  append(1),
  append(64),
  append(256),
  client(64),
  batch(1),
  batch(64),
  {
    name: "pages",
    title: `The log in pages of ${PAGE} events, 1 connection`,
    reads: true,
    tasks: async (contender) => (await contender.pages?.()) ?? [],
  },
  stream(1),
  stream(64),
];

/** Followers of all contenders. */
export const FOLLOWERS = "followers";

/** Works of a whole run. */
export const USUAL_WORKS: readonly string[] = [
  ...TIMED_WORKS.map(({ name }) => name),
  FOLLOWERS,
  ...COURSES.filter(({ onDemand }) => onDemand !== true).map(({ name }) => name),
];

export const WORK_NAMES: readonly string[] = [
  ...TIMED_WORKS.map(({ name }) => name),
  FOLLOWERS,
  ...COURSES.map(({ name }) => name),
];
