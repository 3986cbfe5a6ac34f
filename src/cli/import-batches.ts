import { createHash } from "node:crypto";

import { type ImportEvent, importEvent } from "./import-lines.ts";
import type { Line } from "./lines.ts";

/**
 * Size of the transactions of an import. Batches and keys depend on the source alone, so that a repeated import of
 * the same source sends the same requests under the same keys, and the server appends none of them twice. With other
 * numbers here, an import that an earlier version started would append its events again.
 */
const BATCH_LINES = 1_000;
const BATCH_CHARACTERS = 2 * 1024 * 1024;
/** Below the 4 MiB that a worker accepts by default. */
const BATCH_BYTES = 3.5 * 1024 * 1024;

/** One transaction of an import. */
export interface Batch {
  /** Null when no line holds an event to append. */
  readonly body: string | null;
  readonly idempotencyKey: string;
  readonly events: number;
  /** Lines with events that cannot be appended. */
  readonly skipped: number;
  readonly firstLine: number;
  readonly lastLine: number;
  /** Number of the line that a JSON pointer into the body refers to. */
  lineAt(pointer: string): number | null;
}

interface Append {
  readonly stream: string;
  readonly events: ImportEvent[];
}

/** Groups consecutive events of one stream into one append; keeps the order of the lines. */
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
 * Divides the lines into batches. The key of a batch is a digest of all lines up to its end, so an import continues
 * where it stopped even if the rest of the source was corrected, or the source is now compressed.
 */
export async function* importBatches(
  blocks: AsyncIterable<readonly Line[]>,
): AsyncGenerator<Batch, void, undefined> {
  const hash = createHash("sha256");
  let lines: Line[] = [];
  let characters = 0;
  let bytes = 0;
  const cut = (): Batch => {
    // Once for all lines: each call costs as much as some lines do.
    hash.update(`${lines.map(({ text }) => text).join("\n")}\n`);
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
      lines.push(line);
      characters += line.text.length;
      bytes += lineBytes;
    }
  }
  if (lines.length > 0) yield cut();
}
