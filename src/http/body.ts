import { KildeError } from "../core/errors.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function tooLarge(maxBytes: number): KildeError {
  return new KildeError("body-too-large", `The body is larger than ${maxBytes} bytes`, {
    limit: "bodyBytes",
  });
}

/** Reads a body of unknown length, and stops where it becomes too large. */
async function readChunks(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}

/** The body's text. A body that says that it is too large is refused before any of it is read. */
export async function readText(request: Request, maxBytes: number): Promise<string> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new KildeError("unsupported-media-type", `The content encoding ${encoding} is not supported`);
  }
  const length = request.headers.get("content-length");
  if (length !== null && Number(length) > maxBytes) throw tooLarge(maxBytes);
  let bytes: ArrayBuffer | Uint8Array;
  if (length !== null) bytes = await request.arrayBuffer();
  else if (request.body === null) return "";
  else bytes = await readChunks(request.body, maxBytes);
  try {
    return decoder.decode(bytes);
  } catch {
    throw new KildeError("malformed-json", "The body is not UTF-8");
  }
}
