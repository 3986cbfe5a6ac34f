import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

import type { Cursor } from "../core/cursor.ts";
import { CliError, EXIT } from "./exit.ts";
import { gzipMember, MEMBER_HEADER_BYTES, memberLength, memberText } from "./gzip-members.ts";

/** A file that events are exported to. */
export interface ExportFile {
  /** Cursor to continue after: the last event in the file. */
  readonly cursor: Cursor;
  /** Appends whole lines. */
  write(lines: string): Promise<void>;
  close(): Promise<void>;
}

const TAIL_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

async function bytesAt(file: FileHandle, start: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  const { bytesRead } = await file.read(buffer, 0, length, start);
  return buffer.subarray(0, bytesRead);
}

function cursorOf(name: string, line: string): Cursor {
  try {
    const { position, logidentity } = JSON.parse(line) as { position?: unknown; logidentity?: unknown };
    if (typeof position === "number") {
      // Exports of earlier versions name no identity.
      return { position, identity: typeof logidentity === "string" ? logidentity : null };
    }
  } catch {
    // Reported below, like any other line that is not of an export.
  }
  throw new CliError(
    EXIT.failure,
    `${name} cannot be resumed: its last line has no position`,
    "Export to a new file.",
  );
}

interface End {
  /** End of the last complete part; the rest is cut off. */
  readonly size: number;
  readonly lastLine: string | null;
}

/** Finds the last complete line of a plain file. */
async function plainEnd(file: FileHandle, size: number): Promise<End> {
  let tail = new Uint8Array(0);
  for (let start = size; start > 0;) {
    const length = Math.min(start, Math.max(TAIL_BYTES, tail.length));
    start -= length;
    const before = await bytesAt(file, start, length);
    const longer = new Uint8Array(before.length + tail.length);
    longer.set(before);
    longer.set(tail, before.length);
    tail = longer;
    const end = tail.lastIndexOf(NEWLINE);
    const begin = end < 1 ? -1 : tail.lastIndexOf(NEWLINE, end - 1);
    if (end === -1 || (begin === -1 && start > 0)) continue;
    return { size: start + end + 1, lastLine: new TextDecoder().decode(tail.subarray(begin + 1, end)) };
  }
  return { size: 0, lastLine: null };
}

/** Finds the last complete member of a compressed file. */
async function gzipEnd(file: FileHandle, size: number, name: string): Promise<End> {
  let last = 0;
  let end = 0;
  while (end + MEMBER_HEADER_BYTES <= size) {
    const length = memberLength(await bytesAt(file, end, MEMBER_HEADER_BYTES));
    if (length === null) {
      throw new CliError(
        EXIT.failure,
        `${name} cannot be resumed: it was compressed by another program`,
        "Export to a new file.",
      );
    }
    if (end + length > size) break;
    last = end;
    end += length;
  }
  if (end === 0) return { size: 0, lastLine: null };
  const text = memberText(await bytesAt(file, last, end - last)).trimEnd();
  return { size: end, lastLine: text.slice(text.lastIndexOf("\n") + 1) };
}

function writeFault(name: string, error: unknown): CliError {
  const reason = error instanceof Error ? error.message : String(error);
  return new CliError(
    EXIT.failure,
    `${name} cannot be written: ${reason}`,
    "Correct the cause, and continue with --resume.",
    { cause: error },
  );
}

/** Before the first event of a log. */
export const START: Cursor = { position: 0, identity: null };

/** Opens a new file, or with `resume` the file of an earlier export; compressed if its name ends in .gz. */
export async function openExportFile(path: string, name: string, resume: boolean): Promise<ExportFile> {
  const isCompressed = path.endsWith(".gz");
  const exists = existsSync(path);
  if (exists && !resume) {
    throw new CliError(
      EXIT.failure,
      `${name} exists already`,
      "Continue it with --resume, or name a new file: an export never replaces a file.",
    );
  }
  const file = await open(path, exists ? "r+" : "wx").catch((error: unknown) => {
    throw writeFault(name, error);
  });
  try {
    const { size } = await file.stat();
    const end = isCompressed ? await gzipEnd(file, size, name) : await plainEnd(file, size);
    await file.truncate(end.size);
    let offset = end.size;
    return {
      cursor: end.lastLine === null ? START : cursorOf(name, end.lastLine),
      async write(lines) {
        const bytes = isCompressed ? gzipMember(lines) : new TextEncoder().encode(lines);
        try {
          await file.write(bytes, 0, bytes.length, offset);
        } catch (error) {
          throw writeFault(name, error);
        }
        offset += bytes.length;
      },
      async close() {
        await file.sync();
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
