import { type OptionNames, refuseUnknownOptions } from "../../core/known-options.ts";
import { readBody } from "./body.ts";
import { type Delivery, readDelivery } from "./delivery.ts";
import { handleInSpan } from "./handle-span.ts";
import { verifySignature } from "../signing/verify.ts";
import { HEADER } from "../signing/wire.ts";
import { WebhookError } from "./webhook-error.ts";

export interface ReceiveOptions<Data = unknown> {
  /**
   * Handles the delivery, in a span where the program registers a tracer with `@opentelemetry/api`. `receive` waits for it, and
   * throws its error. Default: nothing does, and the caller handles the result.
   */
  readonly handle?: (delivery: Delivery<Data>) => void | Promise<void>;
  /** Largest body, in bytes; default 16 MiB. */
  readonly mostBytes?: number;
  /** Largest difference between `webhook-timestamp` and now, either way, in seconds; default 300. */
  readonly toleranceSeconds?: number;
  /** Current time in milliseconds since 1970; default: the runtime's clock. */
  readonly now?: () => number;
}

const OPTIONS: OptionNames<ReceiveOptions> = {
  handle: true,
  mostBytes: true,
  toleranceSeconds: true,
  now: true,
};

const MOST_BYTES = 16 * 1024 * 1024;
const TOLERANCE_SECONDS = 300;

function header(request: Request, name: string): string {
  const value = request.headers.get(name);
  if (value === null || value === "") throw new WebhookError("header-missing", `There is no ${name} header`);
  return value;
}

function checkTimestamp(timestamp: string, toleranceSeconds: number, nowMs: number): void {
  if (!/^\d{1,15}$/.test(timestamp)) {
    throw new WebhookError("header-invalid", `${HEADER.timestamp} must be Unix seconds`);
  }
  const lateSeconds = Math.floor(nowMs / 1_000) - Number(timestamp);
  if (Math.abs(lateSeconds) <= toleranceSeconds) return;
  const direction = lateSeconds > 0 ? "old" : "in the future";
  throw new WebhookError(
    "timestamp-outside-tolerance",
    `The delivery is ${Math.abs(lateSeconds)} s ${direction}, and ${toleranceSeconds} s are tolerated. Are both clocks right?`,
  );
}

/**
 * Verifies and reads a delivery, in any server that has fetch's Request.
 *
 * `secret` is the subscription's `whsec_…`, or its public key `whpk_…`; several during a rotation. The function reads
 * the body, which must be unread. Throws a WebhookError, whose `response()` is the answer to send, and a TypeError for
 * an invalid secret. Delivery is at least once: `id` is the same when a delivery is repeated.
 *
 * @example
 * ```ts
 * import { receive, WebhookError } from "kilde/webhook";
 *
 * declare const secret: string;
 *
 * export async function handle(request: Request): Promise<Response> {
 *   try {
 *     const delivery = await receive<{ name: string }>(request, secret);
 *     if (delivery.kind === "events") console.log(delivery.events[0]?.data.name);
 *     return new Response(null, { status: 204 });
 *   } catch (error) {
 *     if (error instanceof WebhookError) return error.response();
 *     throw error;
 *   }
 * }
 * ```
 */
export async function receive<Data = unknown>(
  request: Request,
  secret: string | readonly string[],
  options: ReceiveOptions<Data> = {},
): Promise<Delivery<Data>> {
  refuseUnknownOptions("receive", options, OPTIONS);
  const { handle, mostBytes = MOST_BYTES, toleranceSeconds = TOLERANCE_SECONDS, now = Date.now } = options;
  const id = header(request, HEADER.id);
  const timestamp = header(request, HEADER.timestamp);
  const signatures = header(request, HEADER.signature);
  checkTimestamp(timestamp, toleranceSeconds, now());
  const body = await readBody(request, mostBytes);
  await verifySignature([secret].flat(), { id, timestamp, signatures }, body);
  const { headers } = request;
  const delivery = readDelivery<Data>(id, headers.get("content-type"), body);
  if (handle !== undefined) await handleInSpan(headers, delivery, () => handle(delivery));
  return delivery;
}
