import { createHash } from "node:crypto";

import { type ImportEvent, importEvent } from "./import-lines.ts";
import type { Line } from "./lines.ts";

/*
 * How an import is cut into transactions. Cuts and keys depend on the source alone, so that the same import run
 * again sends the same requests under the same keys, and the server repeats none of those that went through.
 * With other numbers here, an import that an older version began would not be continued, but repeated.
 */
const BATCH_LINES = 1_000;
const BATCH_CHARACTERS = 2 * 1024 * 1024;
/** Below the 4 MiB that a worker takes by default. */
const BATCH_BYTES = 3.5 * 1024 * 1024;

/** One transaction of an import. */
export interface Batch {
  /** Null when none of the lines holds an event to append. */
  readonly body: string | null;
  readonly idempotencyKey: string;
  readonly events: number;
  /** Lines with events that cannot be appended. */
  readonly skipped: number;
  readonly firstLine: number;
  readonly lastLine: number;
  /** The line that a JSON pointer into the body leads to. */
  lineAt(pointer: string): number | null;
}

interface Append {
  readonly stream: string;
  readonly events: ImportEvent[];
}

/** Consecutive events of one stream as one append; the order of the lines stays. */
function grouped(events: readonly ImportEvent[]): Append[] {
  const appends: Append[] = [];
  for (const event of events) {
    const last = appends.at(-1);
    if (last?.stream === event.stream) last.events.push(event);
    else appends.push({ stream: event.stream, events: [event] });
  }
  return appends;
}

function bodyOf(appends: readonly Append[]): string {
  const texts = appends.map(
    ({ stream, events }) =>
      `{"stream":${JSON.stringify(stream)},"events":[${events.map(({ text }) => text).join(",")}]}`,
  );
  return `{"appends":[${texts.join(",")}]}`;
}

function batchOf(lines: readonly Line[], firstLine: number, lastLine: number, digest: string): Batch {
  const events: ImportEvent[] = [];
  let skipped = 0;
  for (const line of lines) {
    const event = importEvent(line);
    if (event !== null) events.push(event);
    else if (line.text.trim() !== "") skipped += 1;
  }
  const appends = grouped(events);
  return {
    body: events.length === 0 ? null : bodyOf(appends),
    idempotencyKey: `import/${digest}/${firstLine}`,
    events: events.length,
    skipped,
    firstLine,
    lastLine,
    lineAt(pointer) {
      const [, append, event] = /^\/appends\/(\d+)(?:\/events\/(\d+))?/.exec(pointer) ?? [];
      return appends[Number(append)]?.events[Number(event ?? 0)]?.line ?? null;
    },
  };
}

/**
 * Cuts the lines into batches. The key of a batch is a digest of all lines up to its end: so a source that was
 * corrected further down, or is compressed now, is still continued where the import stopped.
 */
export async function* importBatches(
  blocks: AsyncIterable<readonly Line[]>,
): AsyncGenerator<Batch, void, undefined> {
  const hash = createHash("sha256");
  let lines: Line[] = [];
  let characters = 0;
  let bytes = 0;
  const cut = (): Batch => {
    const [firstLine, lastLine] = [lines[0]?.number ?? 0, lines.at(-1)?.number ?? 0];
    const batch = batchOf(lines, firstLine, lastLine, hash.copy().digest("hex").slice(0, 32));
    lines = [];
    characters = 0;
    bytes = 0;
    return batch;
  };
  for await (const block of blocks) {
    for (const line of block) {
      const lineBytes = Buffer.byteLength(line.text);
      const isFull =
        lines.length === BATCH_LINES ||
        characters + line.text.length > BATCH_CHARACTERS ||
        bytes + lineBytes > BATCH_BYTES;
      if (lines.length > 0 && isFull) yield cut();
      hash.update(line.text).update("\n");
      lines.push(line);
      characters += line.text.length;
      bytes += lineBytes;
    }
  }
  if (lines.length > 0) yield cut();
}
