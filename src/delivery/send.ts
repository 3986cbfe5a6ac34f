/** A request to an endpoint. */
export interface Outgoing {
  readonly method: "POST" | "OPTIONS";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** What became of a request. */
export type Answer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly header: (name: string) => string | null;
      readonly durationMs: number;
    }
  | {
      readonly kind: "failed";
      readonly category: "timeout" | "dns" | "address-refused" | "connection" | "tls" | "protocol";
      readonly durationMs: number;
    };

/** Sends a request; never rejects. */
export type Send = (request: Outgoing, signal?: AbortSignal) => Promise<Answer>;
