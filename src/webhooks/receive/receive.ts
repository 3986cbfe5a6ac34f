import { type OptionNames, refuseUnknownOptions } from "../../core/known-options.ts";
import { readBody } from "./body.ts";
import { type Delivery, readDelivery } from "./delivery.ts";
import { verifySignature } from "../signing/verify.ts";
import { HEADER } from "../signing/wire.ts";
import { WebhookError } from "./webhook-error.ts";

export interface ReceiveOptions {
  /** Largest body, in bytes; default 16 MiB. */
  readonly mostBytes?: number;
  /** How far `webhook-timestamp` may be from now, either way, in seconds; default 300. */
  readonly toleranceSeconds?: number;
  /** Milliseconds since 1970; default: the runtime's clock. */
  readonly now?: () => number;
}

const OPTIONS: OptionNames<ReceiveOptions> = { mostBytes: true, toleranceSeconds: true, now: true };

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
  const apart = lateSeconds > 0 ? "old" : "in the future";
  throw new WebhookError(
    "timestamp-outside-tolerance",
    `The delivery is ${Math.abs(lateSeconds)} s ${apart}, and ${toleranceSeconds} s are tolerated. Are both clocks right?`,
  );
}

/**
 * Verifies and reads a delivery, in any server that has fetch's Request.
 *
 * `secret`: the subscription's `whsec_…`, or its public key `whpk_…`; several while it is rotated. The body is read
 * here, and must not have been before. Throws a WebhookError, whose `response()` is the answer to give. A delivery
 * comes at least once: `id` is the same when it is repeated.
 *
 * ```ts
 * const delivery = await receive<UserEvent>(request, secret);
 * ```
 */
export async function receive<Data = unknown>(
  request: Request,
  secret: string | readonly string[],
  options: ReceiveOptions = {},
): Promise<Delivery<Data>> {
  refuseUnknownOptions("receive", options, OPTIONS);
  const { mostBytes = MOST_BYTES, toleranceSeconds = TOLERANCE_SECONDS, now = Date.now } = options;
  const id = header(request, HEADER.id);
  const timestamp = header(request, HEADER.timestamp);
  const signatures = header(request, HEADER.signature);
  checkTimestamp(timestamp, toleranceSeconds, now());
  const body = await readBody(request, mostBytes);
  await verifySignature([secret].flat(), { id, timestamp, signatures }, body);
  return readDelivery(id, request.headers.get("content-type"), body);
}
