import type { Deadlines } from "../../core/deadlines.ts";
import { drain } from "./answer.ts";
import type { AnswerHead } from "./answer-reader.ts";
import type { Cutoff } from "./cutoff.ts";
import type { EndpointDestination } from "./destination.ts";
import type { Outgoing } from "./outgoing.ts";

export interface FetchExchangeOptions {
  readonly fetch: typeof fetch;
  /** Certificates (PEM) to trust in place of the public authorities. */
  readonly ca: string | undefined;
  readonly mostBytes: number;
  readonly bodyDeadlines: Deadlines;
}

/** Sends a request by fetch to an address of its destination; resolves when the body of the answer is read, or left. */
export async function exchangeByFetch(
  { fetch: fetchNow, ca, mostBytes, bodyDeadlines }: FetchExchangeOptions,
  request: Outgoing,
  to: EndpointDestination & { readonly address: string },
  cutoff: Cutoff,
): Promise<AnswerHead> {
  const response = await fetchNow(to.pinned(to.address), {
    method: request.method,
    headers: { "user-agent": "kilde", ...request.headers, host: to.host },
    body: request.body,
    redirect: "manual",
    // Fetch then requests no compressed answer.
    decompress: false,
    signal: cutoff.signal(),
    ...(to.protocol === "https:"
      ? {
          tls: {
            ...(ca === undefined ? {} : { ca }),
            ...(to.isName ? { serverName: to.hostname.replace(/\.$/, "") } : {}),
          },
        }
      : {}),
  });
  await drain(response, mostBytes, (expire) => bodyDeadlines.start(expire));
  return { status: response.status, header: (name) => response.headers.get(name) };
}
