import { expect, test } from "bun:test";

import { keptAttempt } from "../../../src/webhooks/dispatch/kept-attempt.ts";
import { KEPT_BODY } from "../../../src/webhooks/subscriptions/kept-attempts.ts";

const ATTEMPT = { ended: 0, durationMs: 1, webhookId: "w", subject: null, error: null };

const keep = (body: string) =>
  keptAttempt(
    ATTEMPT,
    { events: [] },
    {
      request: { method: "POST", url: "https://hooks.example.org", headers: {}, body },
      answer: { kind: "answered", status: 200, header: () => null, beginning: body, durationMs: 1 },
    },
  );

test("an attempt that waits to be stored keeps the beginning of its request in memory, and not all of it", () => {
  const bodyBytes = 4_000_000;
  const before = process.memoryUsage().rss;
  const kept = Array.from({ length: 100 }, (_, n) => {
    // Flat, as a body that was read or rendered is.
    const attempt = keep(JSON.stringify({ n, text: "x".repeat(bodyBytes) }));
    if (n % 10 === 0) Bun.gc(true);
    return attempt;
  });
  Bun.gc(true);
  expect(kept.every(({ body }) => body?.length === KEPT_BODY)).toBe(true);
  expect(process.memoryUsage().rss - before).toBeLessThan(50 * bodyBytes);
});

test("an attempt keeps text that SQLite can store", () => {
  const { body, answer } = keep("a\0b\ud800c");
  expect([body, answer]).toEqual(["a\uFFFDb\uFFFDc", "a\uFFFDb\uFFFDc"]);
});
