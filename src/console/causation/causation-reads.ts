import type { Client } from "../../client/client.ts";
import { KildeError } from "../../core/errors.ts";
import type { KildeEvent } from "../../core/read-event.ts";
import { readEventAt } from "../data/read-event-at.ts";
import { causePosition } from "./causation.ts";

/** Events that a view arranges. */
const MOST_EVENTS = 500;

/** Events of an answer. */
const PAGE = 200;

/** Causes of causes that are looked up. */
const MOST_CAUSES = 50;

/** Events of the stream that are looked through. */
const MOST_OF_STREAM = 200;

/** An event, and those that are connected with it. */
export interface Causation {
  readonly event: KildeEvent;
  readonly events: readonly KildeEvent[];
  /** How far the index of correlations is; null: the server has none, so that only the stream and causes are known. */
  readonly index: { readonly indexed: number; readonly head: number } | null;
  /** There are more correlated events than the view arranges. */
  readonly isCut: boolean;
}

type Reads = Pick<Client, "read" | "correlated">;

/** Reads the causes of an event, the nearest first. */
async function readCauses(client: Reads, event: KildeEvent, signal: AbortSignal): Promise<KildeEvent[]> {
  const causes: KildeEvent[] = [];
  let effect = event;
  while (causes.length < MOST_CAUSES) {
    const position = causePosition(effect);
    if (position === null || position >= effect.position) break;
    const cause = await readEventAt(client, position, { signal });
    if (cause === null) break;
    causes.push(cause);
    effect = cause;
  }
  return causes;
}

type Correlated = Pick<Causation, "events" | "index" | "isCut">;

/** Reads the events with a correlation; null: the server keeps no index of them. */
async function readCorrelated(
  client: Reads,
  correlation: string,
  signal: AbortSignal,
): Promise<Correlated | null> {
  const events: KildeEvent[] = [];
  let after = 0;
  try {
    for (;;) {
      const page = await client.correlated(correlation, { after, limit: PAGE, signal });
      events.push(...page.events);
      const { indexed, head, next } = page;
      const isCut = next !== null && events.length >= MOST_EVENTS;
      if (next === null || isCut) return { events, index: { indexed, head }, isCut };
      after = next;
    }
  } catch (error) {
    if (error instanceof KildeError && error.code === "correlations-off") return null;
    throw error;
  }
}

/** Without an index: the latest events of the stream that have the same correlation, or name a cause. */
async function readOfStream(
  client: Reads,
  { subject, metadata: { correlationId } }: KildeEvent,
  signal: AbortSignal,
): Promise<Correlated> {
  const events: KildeEvent[] = [];
  const options = { stream: subject, direction: "backwards", limit: MOST_OF_STREAM, signal } as const;
  for await (const event of client.read(options)) {
    const { metadata } = event;
    const isCorrelated = correlationId !== undefined && metadata.correlationId === correlationId;
    if (isCorrelated || metadata.causationId !== undefined) events.push(event);
  }
  return { events, index: null, isCut: false };
}

/** Reads the event at a position with the events that are connected with it; null: it does not exist. */
export async function readCausation(
  client: Reads,
  position: number,
  signal: AbortSignal,
): Promise<Causation | null> {
  const event = await readEventAt(client, position, { signal });
  if (event === null) return null;
  const { correlationId } = event.metadata;
  const correlated =
    (correlationId === undefined ? null : await readCorrelated(client, correlationId, signal)) ??
    (await readOfStream(client, event, signal));
  const causes = await readCauses(client, event, signal);
  const all = new Map([...correlated.events, ...causes, event].map((each) => [each.position, each]));
  return { ...correlated, event, events: [...all.values()] };
}
