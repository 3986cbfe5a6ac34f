import type { Outgoing } from "../egress/outgoing.ts";
import { HEADER } from "../signing/wire.ts";
import type { Message } from "./message.ts";

/** Computes the value of `webhook-signature` for a message that is sent now. */
export type Sign = (
  message: {
    readonly id: string;
    /** Seconds since 1970. */
    readonly timestamp: number;
    readonly body: string;
  },
  nowMs: number,
) => string;

/** Opened secrets of an endpoint, ready for use. */
export interface OpenSecrets {
  readonly sign: Sign;
  /** Sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The request that delivers a message now. */
export function deliveryRequest(
  url: string,
  { id, contentType, body }: Message,
  { sign, headers }: OpenSecrets,
  nowMs: number,
): Outgoing {
  const timestamp = Math.floor(nowMs / 1_000);
  return {
    method: "POST",
    url,
    headers: {
      ...headers,
      "content-type": contentType,
      [HEADER.id]: id,
      [HEADER.timestamp]: String(timestamp),
      [HEADER.signature]: sign({ id, timestamp, body }, nowMs),
    },
    body,
  };
}
