import type { Client } from "../../client/client.ts";
import type { WireEvent } from "../../core/read-event.ts";
import type { TimelineBound } from "./timeline.ts";

/** Most characters that the page collects; the command line exports more. */
const MOST_CHARACTERS = 256 * 1024 * 1024;

const PAGE = "1000";

/** Lines of a stream, as the server sends them. */
export interface ExportedLines {
  /** Texts of whole lines, in order. */
  readonly texts: readonly string[];
  /** Not all events fit. */
  readonly isCut: boolean;
}

export interface ExportOptions {
  readonly stream: string;
  readonly bound: TimelineBound;
  /** Called with the number of characters so far. */
  readonly onProgress: (characters: number) => void;
  readonly signal: AbortSignal;
  /** Default: 256 Mi. */
  readonly mostCharacters?: number;
}

/** The version of the last of some lines. */
function lastVersion(text: string): number {
  const lines = text.trimEnd();
  const { sequence } = JSON.parse(lines.slice(lines.lastIndexOf("\n") + 1)) as WireEvent;
  return Number(sequence);
}

/** Reads the events of a stream as NDJSON, a CloudEvent a line. */
export async function exportStream(
  client: Pick<Client, "fetchText">,
  { stream, bound: { toVersion, asOf }, onProgress, signal, mostCharacters = MOST_CHARACTERS }: ExportOptions,
): Promise<ExportedLines> {
  const texts: string[] = [];
  let characters = 0;
  let version = 0;
  for (;;) {
    const query = new URLSearchParams({ limit: PAGE, afterVersion: String(version) });
    if (toVersion !== undefined) query.set("toVersion", String(toVersion));
    if (asOf !== undefined) query.set("asOf", asOf);
    const text = await client.fetchText(`/streams/${encodeURIComponent(stream)}?${query.toString()}`, {
      accept: "application/x-ndjson",
      signal,
    });
    if (text.trim() === "") return { texts, isCut: false };
    if (characters + text.length > mostCharacters) return { texts, isCut: true };
    texts.push(text.endsWith("\n") ? text : `${text}\n`);
    characters += text.length;
    version = lastVersion(text);
    onProgress(characters);
  }
}

/** A name for the file that every system accepts. */
export function exportName(stream: string): string {
  const plain = stream.replaceAll(/[^\w.-]+/g, "_").replace(/^[.-]+/, "");
  return `${plain.slice(0, 100) || "stream"}.ndjson`;
}
