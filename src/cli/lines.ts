import { CliError, EXIT } from "./exit.ts";

/** A line, without its end. */
export interface Line {
  /** 1-based. */
  readonly number: number;
  readonly text: string;
}

/** A file with a longer line is not NDJSON. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const NEWLINE = 0x0a;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array, firstLine: number): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    let number = firstLine;
    // The block is not UTF-8: find the line.
    for (let start = 0; start < bytes.length; number += 1) {
      const end = bytes.indexOf(NEWLINE, start);
      const stop = end === -1 ? bytes.length : end;
      try {
        decoder.decode(bytes.subarray(start, stop));
      } catch {
        break;
      }
      start = stop + 1;
    }
    throw new CliError(EXIT.failure, `line ${number}: not UTF-8`, "Convert the file to UTF-8.", {
      cause: error,
    });
  }
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

/** Reads the lines of a byte stream, in blocks as they arrive. A slow caller slows the stream down. */
export async function* linesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Line[], void, undefined> {
  let number = 0;
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  const split = (bytes: Uint8Array): Line[] => {
    const texts = decode(bytes, number + 1).split("\n");
    // The text after the last line's end is not a line.
    if (texts.at(-1) === "") texts.pop();
    return texts.map((text) => {
      number += 1;
      const unmarked = number === 1 && text.startsWith("\uFEFF") ? text.slice(1) : text;
      return { number, text: unmarked.endsWith("\r") ? unmarked.slice(0, -1) : unmarked };
    });
  };
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      yield split(joined([...kept, chunk.subarray(0, end)], keptBytes + end));
      kept = [];
      keptBytes = 0;
    }
    if (end < chunk.length) {
      kept.push(chunk.slice(end));
      keptBytes += chunk.length - end;
    }
    if (keptBytes > MAX_LINE_BYTES) {
      throw new CliError(
        EXIT.failure,
        `line ${number + 1} is longer than ${MAX_LINE_BYTES} bytes`,
        "Use a file with one JSON object per line.",
      );
    }
  }
  if (keptBytes > 0) yield split(joined(kept, keptBytes));
}
