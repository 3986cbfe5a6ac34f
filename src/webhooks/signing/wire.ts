/** Media types of delivered bodies (CloudEvents HTTP binding 1.0.2 §3.2, §3.3). */
export const MEDIA_TYPE = {
  event: "application/cloudevents+json",
  batch: "application/cloudevents-batch+json",
} as const;

/** The headers of a delivery (Standard Webhooks 1.0.0). */
export const HEADER = {
  id: "webhook-id",
  timestamp: "webhook-timestamp",
  signature: "webhook-signature",
} as const;

/** Type of the event that announces events to read. */
export const DOORBELL_TYPE = "kilde.doorbell";

/** Type of the test event, which has no content. */
export const TEST_TYPE = "kilde.test";

/** As many digits as `sequence` has: those of 2^53. */
const SEQUENCE_DIGITS = 16;

/**
 * Formats a delivered event: the CloudEvent as the log serves it (JSON text of an object with members), and, as its
 * last member, `previoussequence`. The text is not parsed: the appended bytes are delivered unchanged.
 *
 * `previousSequence`: version of the previous event about the same subject that the subscription selects; 0: none.
 */
export function deliveredEvent(event: string, previousSequence: number): string {
  const padded = String(previousSequence).padStart(SEQUENCE_DIGITS, "0");
  return `${event.slice(0, -1)},"previoussequence":"${padded}"}`;
}

/**
 * Formats a doorbell: a CloudEvent that announces events up to `head`, which is also its id. It has no time, so that it
 * has the same bytes each time. `source`: the log's path; `identity`: that of the log.
 */
export function doorbellEvent(source: string, head: number, identity: string): string {
  return JSON.stringify({
    specversion: "1.0",
    id: String(head),
    source,
    logidentity: identity,
    type: DOORBELL_TYPE,
    datacontenttype: "application/json",
    data: { head },
  });
}

/** Formats a test event of a subscription to a log (its path). `time`: RFC 3339. */
export function testEvent(id: string, source: string, subscription: string, time: string): string {
  return JSON.stringify({
    specversion: "1.0",
    id,
    source,
    type: TEST_TYPE,
    time,
    datacontenttype: "application/json",
    data: { subscription },
  });
}
