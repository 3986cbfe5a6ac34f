import { KildeError } from "../../core/errors.ts";
import type { Send } from "../egress/outgoing.ts";

/** Requests a minute that an endpoint allows; `*` and no header mean no limit. */
function rateOf(header: string | null): number | null {
  const text = header?.trim() ?? "";
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}

/**
 * Asks an endpoint for consent to deliver (CloudEvents HTTP WebHook 1.0.2 §4). Only the origin that it allows counts,
 * not the status. Returns the requests a minute that it accepts; null: it states none. Throws `endpoint-refuses`.
 */
export async function askConsent(send: Send, url: string, origin: string): Promise<number | null> {
  const answer = await send({
    method: "OPTIONS",
    url,
    headers: { "webhook-request-origin": origin },
    body: null,
  });
  if (answer.kind === "failed")
    throw new KildeError("endpoint-refuses", `The endpoint could not be asked: ${answer.category}`);
  const allowed = answer.header("webhook-allowed-origin")?.trim() ?? "";
  if (allowed !== "*" && allowed.toLowerCase() !== origin.toLowerCase()) {
    throw new KildeError(
      "endpoint-refuses",
      `The endpoint did not allow ${origin} (it answered status ${answer.status})`,
    );
  }
  return rateOf(answer.header("webhook-allowed-rate"));
}
