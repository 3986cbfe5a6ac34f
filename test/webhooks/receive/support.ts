import { parseSecret } from "../../../src/webhooks/signing/secret.ts";
import { createSigner } from "../../../src/webhooks/signing/sign.ts";
import { deliveredEvent, MEDIA_TYPE } from "../../../src/webhooks/signing/wire.ts";

export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
export const PRIVATE =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
export const PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=";

export const NOW = 1_614_265_330_000;
export const now = () => NOW;

/** The text of an event as a log serves it; `data` null: without data. */
export function logEvent(version: number, data: unknown = { name: "Ida" }, more: object = {}): string {
  return JSON.stringify({
    specversion: "1.0",
    id: String(40 + version),
    source: "/feeds/users/v1",
    type: "UserRegistered",
    subject: "user-1",
    time: "2026-01-31T12:00:00.000Z",
    sequence: String(version).padStart(16, "0"),
    ...more,
    ...(data === null ? {} : { datacontenttype: "application/json", data }),
  });
}

export interface Sent {
  readonly secrets?: readonly string[];
  readonly id?: string;
  readonly timestamp?: number;
  readonly contentType?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A signed delivery. */
export function delivery(body: string, sent: Sent = {}): Request {
  const {
    secrets = [SECRET],
    id = "msg_1",
    timestamp = NOW / 1_000,
    contentType = MEDIA_TYPE.event,
    url = "http://receiver.test/hook",
  } = sent;
  const sign = createSigner(secrets.map(parseSecret));
  return new Request(url, {
    method: "POST",
    body,
    headers: {
      "content-type": contentType,
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": sign({ id, timestamp, body }),
      ...sent.headers,
    },
  });
}

export const EVENT = deliveredEvent(logEvent(2), 1);
