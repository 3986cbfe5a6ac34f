/** A request to an endpoint that somebody else has named. */
export interface Outgoing {
  readonly method: "POST" | "OPTIONS";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/**
 * Why there is no answer. All that is told outside: never an address that was resolved, nor what was received.
 *
 * - `timeout`: not all of it within the time, or no connection within its own
 * - `dns`: the name has no address, or none could be asked for
 * - `address-refused`: an address of it is not to be connected to
 * - `connection`: refused, or lost
 * - `tls`: the certificate is not valid for the name, or the endpoint does not speak TLS
 * - `protocol`: what came is not HTTP, or its headers are too large
 */
export type FailureCategory = "timeout" | "dns" | "address-refused" | "connection" | "tls" | "protocol";

/** What became of a request. An answer is one of any status: a redirect is an answer, and is never followed. */
export type EndpointAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly header: (name: string) => string | null;
      readonly durationMs: number;
    }
  | {
      readonly kind: "failed";
      readonly category: FailureCategory;
      /** Whether the endpoint may have received the request. */
      readonly sent: boolean;
      readonly durationMs: number;
    };

/** Sends once. Rejects only with the reason of the signal, when that aborts. */
export type Send = (request: Outgoing, signal?: AbortSignal) => Promise<EndpointAnswer>;

/** A request that came to nothing, on its way to becoming an answer. */
export class EgressFailure extends Error {
  override readonly name = "EgressFailure";
  readonly category: FailureCategory;

  constructor(category: FailureCategory, options?: ErrorOptions) {
    super(category, options);
    this.category = category;
  }
}
