import { WebhookError } from "./webhook-error.ts";

function tooLarge(mostBytes: number): WebhookError {
  return new WebhookError("body-too-large", `The body is larger than ${mostBytes} bytes`);
}

/** Reads the body as it was received and signed; stops reading one that is too large. Throws a WebhookError. */
export async function readBody(request: Request, mostBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? "0") > mostBytes) throw tooLarge(mostBytes);
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > mostBytes) {
      await reader.cancel();
      throw tooLarge(mostBytes);
    }
    chunks.push(value);
  }
  const [first] = chunks;
  if (first !== undefined && chunks.length === 1) return first;
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
