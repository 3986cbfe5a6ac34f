/** The closed catalog of reasons to reject a delivery: each `code` has the status of the answer. */
export const WEBHOOK_ERRORS = {
  "header-missing": { status: 400, title: "A webhook header is missing" },
  "header-invalid": { status: 400, title: "A webhook header is not valid" },
  "body-invalid": { status: 400, title: "The body is not a delivery of Kilde" },
  "timestamp-outside-tolerance": { status: 401, title: "The timestamp is too old, or in the future" },
  "signature-invalid": { status: 401, title: "No signature verifies with a secret of this endpoint" },
  "body-too-large": { status: 413, title: "The body is too large" },
  "media-type-unsupported": { status: 415, title: "The media type is not supported" },
} as const satisfies Record<string, { status: number; title: string }>;

export type WebhookErrorCode = keyof typeof WEBHOOK_ERRORS;

/** Why a delivery was rejected. It contains nothing of the secret or the body. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";
  readonly code: WebhookErrorCode;
  /** HTTP status of the answer: 400, 401, 413 or 415. The sender keeps the delivery, and retries. */
  readonly status: number;

  constructor(code: WebhookErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.status = WEBHOOK_ERRORS[code].status;
  }

  /** The answer to send: a problem (RFC 9457) with the `code`. */
  response(): Response {
    const { code, status, message } = this;
    const problem = { type: "about:blank", title: WEBHOOK_ERRORS[code].title, status, detail: message, code };
    return new Response(JSON.stringify(problem), {
      status,
      headers: { "content-type": "application/problem+json" },
    });
  }
}
