/** A request to an endpoint that a user has named. */
export interface Outgoing {
  readonly method: "POST" | "OPTIONS";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  /** Bytes of the answer's body to return. Default: none. */
  keptBytes?: number;
}

/**
 * The category of a failed request. Nothing else is reported: neither a resolved address nor, unless they were asked for, any received bytes.
 *
 * - `timeout`: the answer, or the connection, was not complete within its deadline
 * - `dns`: the name has no address, or no server resolved it
 * - `address-refused`: the rules do not permit one of its addresses
 * - `connection`: refused, or lost
 * - `tls`: the certificate is not valid for the name, or the endpoint does not speak TLS
 * - `protocol`: the answer is not HTTP, or its headers are too large
 */
export type FailureCategory = "timeout" | "dns" | "address-refused" | "connection" | "tls" | "protocol";

/** The outcome of a request: an answer of any status, or a failure. A redirect is an answer, and is never followed. */
export type EndpointAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly header: (name: string) => string | null;
      /** The beginning of the body, if the request asks for it. */
      readonly beginning?: string;
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

/** A failed request, before it becomes an {@link EndpointAnswer}. */
export class EgressFailure extends Error {
  override readonly name = "EgressFailure";
  readonly category: FailureCategory;

  constructor(category: FailureCategory, options?: ErrorOptions) {
    super(category, options);
    this.category = category;
  }
}
