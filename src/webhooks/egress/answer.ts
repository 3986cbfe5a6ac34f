import { EgressFailure, type FailureCategory } from "./outgoing.ts";

/** The beginning of a body, as text. */
export function beginningOf(chunks: readonly Uint8Array[], bytes: number): string {
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, bytes));
}

/**
 * Reads the body of an answer to its end, so that its connection can be reused; or up to `mostBytes`, and cancels the
 * rest. Never rejects: the status is known, and the rest of the body does not matter. Returns the first `keptBytes` as text.
 *
 * @param start starts the deadline of the body, which calls its argument; returns the function that stops it
 */
export async function drain(
  response: Response,
  { mostBytes, keptBytes }: { readonly mostBytes: number; readonly keptBytes: number },
  start: (expire: () => void) => () => void,
): Promise<string> {
  // The usual answers of endpoints have no body, and a reader for each would cost more than the rest.
  if (response.body === null || response.headers.get("content-length") === "0") return "";
  const reader = response.body.getReader();
  const cancel = () =>
    reader.cancel().catch(() => {
      // The connection is already gone.
    });
  const stop = start(() => void cancel());
  let bytes = 0;
  const kept: Uint8Array[] = [];
  try {
    while (bytes < mostBytes) {
      const { done, value } = await reader.read();
      if (done) break;
      if (bytes < keptBytes) kept.push(value);
      bytes += value.byteLength;
    }
    if (bytes >= mostBytes) await cancel();
  } catch {
    // The body broke off or took too long; its connection is not reused.
  } finally {
    stop();
  }
  return keptBytes === 0 ? "" : beginningOf(kept, keptBytes);
}

const TLS = /CERT|TLS|SSL|SIGNATURE|ISSUER|CRL|EPROTO|HOSTNAME_MISMATCH/;
const PROTOCOL = /HTTP|HEADER|CHUNK|MALFORMED|INVALID/i;

/** Classifies an error by the codes of fetch in Bun and of OpenSSL. */
export function categoryOf(error: unknown): FailureCategory {
  if (error instanceof EgressFailure) return error.category;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (TLS.test(code)) return "tls";
  return PROTOCOL.test(code) ? "protocol" : "connection";
}

const NOT_CONNECTED =
  /ConnectionRefused|ECONNREFUSED|FailedToOpenSocket|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN/;

/**
 * Whether the endpoint may have received a failed request. It has not if there was no connection, or an untrusted one.
 */
export function mayHaveArrived(error: unknown): boolean {
  if (error instanceof EgressFailure) return false;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return !NOT_CONNECTED.test(code) && !TLS.test(code);
}
