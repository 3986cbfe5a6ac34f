import { expect } from "bun:test";

import type { TestApp, WireEvent } from "../../support/app.ts";
import { counted, sketch } from "../../support/feeds.ts";

/** The person of an event, as the subject of a feed. */
export const by = ({ data }: { readonly data: unknown }) => (data as { by: string }).by;
export const byPerson = sketch({ name: "by-person", subject: by });
export const totals = sketch({ name: "totals", subject: by, project: counted });

/** Versions, types and data of events, as texts. */
export function shortly(events: readonly WireEvent[]): string[] {
  return events.map(
    ({ sequence, type, data }) => `${Number(sequence)} ${type.replace("kilde.", "")} ${JSON.stringify(data)}`,
  );
}

export async function erase(app: TestApp, stream: string): Promise<void> {
  expect((await app.fetch(`/streams/${stream}?reason=asked`, { method: "DELETE" })).status).toBe(200);
}

/** Appends one event to each of some streams, in order, about one person. */
export async function appendEach(app: TestApp, ...streams: readonly string[]): Promise<void> {
  for (const [n, stream] of streams.entries())
    await app.append(stream, { type: "A", data: { by: "ida", n }, metadata: { correlationId: `c-${n}` } });
}
