import { createReadStream, statSync } from "node:fs";
import { resolve } from "node:path";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";

import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";

/** The input of an import. */
export interface LogSource {
  /** The content, decompressed if it was compressed. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Stored size of the input; null when unknown. */
  readonly size: number | null;
  /** Number of bytes read so far. */
  done(): number;
}

/** Small enough that the bytes read show the import's progress. */
const CHUNK_BYTES = 256 * 1024;

const GZIP_MAGIC = [0x1f, 0x8b] as const;

function fileFault(path: string, error: unknown): CliError {
  const code: unknown = error instanceof Error && "code" in error ? error.code : null;
  if (code === "ENOENT") return new CliError(EXIT.usage, `There is no file ${path}`, null, { cause: error });
  const reason = error instanceof Error ? error.message : String(error);
  return new CliError(EXIT.failure, `${path} cannot be read: ${reason}`, null, { cause: error });
}

async function* decompressed(stream: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  const iterator = stream[Symbol.asyncIterator]();
  let first = await iterator.next();
  while (first.done !== true && first.value.length === 0) first = await iterator.next();
  if (first.done === true) return;
  const head = first.value;
  const whole = async function* () {
    yield head;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  if (!GZIP_MAGIC.every((byte, index) => head[index] === byte)) {
    yield* whole();
    return;
  }
  const gunzip = createGunzip();
  // The reader gets the errors, so the callback has nothing to do.
  pipeline(Readable.from(whole(), { highWaterMark: 1 }), gunzip, () => {});
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (error) {
    if (error instanceof CliError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(
      EXIT.failure,
      `${name} cannot be decompressed: ${reason}`,
      "The file is damaged or cut off. Another run does not repeat the imported batches.",
      { cause: error },
    );
  }
}

/** Opens a file, or standard input for `-`; detects gzip by its first bytes. */
export function openSource(context: CliContext, path: string): LogSource {
  let done = 0;
  const counted = async function* (stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of stream) {
        done += chunk.length;
        yield chunk;
      }
    } catch (error) {
      throw error instanceof CliError ? error : fileFault(path, error);
    }
  };
  if (path === "-") {
    return { bytes: decompressed(counted(context.stdin()), "standard input"), size: null, done: () => done };
  }
  const file = resolve(context.cwd, path);
  let size: number | null;
  try {
    const status = statSync(file);
    if (status.isDirectory()) throw new CliError(EXIT.usage, `${path} is a folder`, "Name a file.");
    size = status.isFile() ? status.size : null;
  } catch (error) {
    throw error instanceof CliError ? error : fileFault(path, error);
  }
  const stream = createReadStream(file, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Uint8Array>;
  return { bytes: decompressed(counted(stream), path), size, done: () => done };
}
