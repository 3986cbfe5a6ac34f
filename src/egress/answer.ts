import { EgressFailure, type FailureCategory } from "./outgoing.ts";

/** Reads an answer to its end, so that its connection can be used again; or as much as is wanted, and cuts it off. */
export async function drain(response: Response, mostBytes: number): Promise<void> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    bytes += value.byteLength;
    if (bytes < mostBytes) continue;
    await reader.cancel();
    return;
  }
}

const TLS = /CERT|TLS|SSL|SIGNATURE|ISSUER|CRL|EPROTO|HOSTNAME_MISMATCH/;
const PROTOCOL = /HTTP|HEADER|CHUNK|MALFORMED|INVALID/i;

/** What went wrong, by the codes of fetch in Bun and of OpenSSL. */
export function categoryOf(error: unknown): FailureCategory {
  if (error instanceof EgressFailure) return error.category;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (TLS.test(code)) return "tls";
  return PROTOCOL.test(code) ? "protocol" : "connection";
}
