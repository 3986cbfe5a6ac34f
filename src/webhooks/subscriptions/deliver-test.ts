import type { Clock } from "../../core/clock.ts";
import type { Send } from "../egress/outgoing.ts";
import { testMessage } from "../endpoint/message.ts";
import { deliveryRequest, type OpenSecrets } from "../endpoint/request.ts";
import type { SubscriptionRecord } from "./subscription.ts";
import { judge } from "../endpoint/verdict.ts";

/** The outcome of a requested delivery. */
export interface Delivered {
  readonly webhookId: string;
  readonly acknowledged: boolean;
  /** `status 500`, `timeout`, …; null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

/** Delivers a test event once; the outcome changes no state. */
export async function deliverTest(
  { send, clock }: { readonly send: Send; readonly clock: Clock },
  { id, log, config }: SubscriptionRecord,
  secrets: OpenSecrets,
): Promise<Delivered> {
  const now = clock.now();
  const message = testMessage(id, log.name, new Date(now).toISOString());
  const answer = await send(deliveryRequest(config.url, message, secrets, now));
  const verdict = judge(answer, { nowMs: clock.now(), mostRetryAfterMs: 0 });
  const error =
    verdict.kind === "acknowledged" ? null : verdict.kind === "gone" ? "status 410" : verdict.error;
  return {
    webhookId: message.id,
    acknowledged: error === null,
    error,
    durationMs: Math.round(answer.durationMs),
  };
}
