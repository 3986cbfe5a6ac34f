import { createReadStream, existsSync } from "node:fs";
import { open } from "node:fs/promises";

import { z } from "zod";

import type { Erasure } from "../log/erase/erasures.ts";
import { CliError, EXIT } from "./exit.ts";
import { linesOf } from "./lines.ts";

/**
 * The file with the erasures of a store, next to each backup: when the store itself is lost, a restore of an older
 * backup repeats them. NDJSON, one erasure per line:
 * {"stream":"user-1","version":4,"position":17,"recorded":"2026-01-31T12:00:00.000Z","reason":"requested"}
 */

/** Name of the file with the erasures of a backup. */
export function erasuresFileOf(backup: string): string {
  return `${backup}.erasures.ndjson`;
}

const line = z.strictObject({
  stream: z.string().min(1),
  version: z.int().min(1),
  position: z.int().min(1),
  recorded: z.iso.datetime({ precision: 3 }),
  reason: z.string().nullable(),
});

/** Lines per write. */
const LINES = 1_000;

export async function writeErasures(file: string, erasures: AsyncIterable<Erasure>): Promise<void> {
  const handle = await open(file, "wx");
  try {
    let texts: string[] = [];
    const write = async () => {
      await handle.write(texts.join(""));
      texts = [];
    };
    for await (const { subject: stream, version, position, recorded, reason } of erasures) {
      texts.push(`${JSON.stringify({ stream, version, position, recorded, reason })}\n`);
      if (texts.length === LINES) await write();
    }
    await write();
  } finally {
    await handle.close();
  }
}

function erasureAt(number: number, text: string, name: string): Erasure {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const parsed = line.safeParse(value);
  if (!parsed.success) {
    throw new CliError(
      EXIT.failure,
      `${name}, line ${number}: not an erasure`,
      "State a file that `kilde backup` wrote next to a backup: <backup>.erasures.ndjson.",
      { cause: parsed.error },
    );
  }
  const { stream: subject, ...rest } = parsed.data;
  return { subject, ...rest };
}

/** Reads the whole file before anything changes, so that an invalid line is found in time. */
export async function readErasures(file: string, name: string): Promise<Erasure[]> {
  if (!existsSync(file)) throw new CliError(EXIT.usage, `There is no file ${name}`);
  const erasures: Erasure[] = [];
  for await (const lines of linesOf(createReadStream(file))) {
    for (const { number, text } of lines) if (text !== "") erasures.push(erasureAt(number, text, name));
  }
  return erasures;
}
