/** The work that every contender gets: the same streams, types and data. */

/** Streams that single appends and appends of 100 go to. */
export const STREAMS = 20_000;

/** Events of an append of many. */
export const BATCH = 100;

/** Events of a page. */
export const PAGE = 1_000;

/** History that is read: so many streams of so many events, written in turn. */
export const HISTORY_STREAMS = 10_000;
export const HISTORY_VERSIONS = 10;
export const HISTORY = HISTORY_STREAMS * HISTORY_VERSIONS;

/** Bytes of an event's data, as JSON text. */
const DATA_BYTES = 150;

export const TYPES = ["declaration-submitted", "declaration-approved", "payment-handled"] as const;

export interface BenchEvent {
  readonly type: string;
  /** JSON text. */
  readonly data: string;
}

export function streamName(index: number): string {
  return `declaration-${index}`;
}

/** Names of all streams that appends go to. */
export const ALL_STREAMS: readonly string[] = Array.from({ length: STREAMS }, (_, index) =>
  streamName(index),
);

function dataOf(index: number): string {
  const head = `{"number":${index},"amount":${(index * 7919) % 100_000},"by":"clerk ${index % 97}","text":"`;
  const tail = '"}';
  return head + "lorem ipsum ".repeat(20).slice(0, DATA_BYTES - head.length - tail.length) + tail;
}

/** Made before anything is timed, so that making them costs no contender anything. */
const EVENTS: readonly BenchEvent[] = Array.from({ length: STREAMS }, (_, index) => ({
  type: TYPES[index % TYPES.length] ?? TYPES[0],
  data: dataOf(index),
}));

/** The nth event; any n. */
export function eventOf(index: number): BenchEvent {
  const event = EVENTS[index % EVENTS.length];
  if (event === undefined) throw new Error(`no event ${index}`);
  return event;
}

export function eventsOf(first: number, count: number): BenchEvent[] {
  return Array.from({ length: count }, (_, offset) => eventOf(first + offset));
}

export function randomBelow(bound: number): number {
  return Math.floor(Math.random() * bound);
}

/** Streams of the history in the order in which its events were written. */
export function historyStream(position: number): string {
  return streamName(position % HISTORY_STREAMS);
}

/** Which event this is, from the text of its data. */
export function numberIn(text: string): number {
  return Number(/"number":(\d+)/.exec(text)?.[1] ?? Number.NaN);
}
