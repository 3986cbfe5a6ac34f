import { type OptionNames, refuseUnknownOptions } from "../../core/known-options.ts";

export interface ConsentOptions {
  /** Origins that may deliver here, such as `kilde.example.org`; `"*"`: any origin. */
  readonly origins: readonly string[] | "*";
  /** Most requests a minute; default: no limit. */
  readonly ratePerMinute?: number;
}

const OPTIONS: OptionNames<ConsentOptions> = { origins: true, ratePerMinute: true };

/**
 * Answers the validation handshake of CloudEvents' HTTP WebHook specification (1.0.2 §4): an `OPTIONS` request with
 * which a sender asks for permission to deliver here. An origin that is not listed gets 403, without consent; another
 * method 405.
 *
 * @example
 * ```ts
 * import { consent } from "kilde/webhook";
 *
 * declare const request: Request;
 * const response = consent(request, { origins: ["kilde.example.org"] });
 * ```
 */
export function consent(request: Request, options: ConsentOptions): Response {
  refuseUnknownOptions("consent", options, OPTIONS);
  const { origins, ratePerMinute } = options;
  const allow = "OPTIONS, POST";
  if (request.method !== "OPTIONS") return new Response(null, { status: 405, headers: { allow } });
  const origin = request.headers.get("webhook-request-origin");
  if (origin === null) return new Response(null, { status: 400, headers: { allow } });
  if (origins !== "*" && !origins.includes(origin)) {
    return new Response(null, { status: 403, headers: { allow } });
  }
  const headers = new Headers({ allow, "webhook-allowed-origin": origin });
  const asked = request.headers.has("webhook-request-rate");
  if (asked || ratePerMinute !== undefined) {
    headers.set("webhook-allowed-rate", ratePerMinute === undefined ? "*" : String(ratePerMinute));
  }
  return new Response(null, { status: 200, headers });
}
