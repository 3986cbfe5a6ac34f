import { afterAll, beforeAll, expect, test } from "bun:test";

import { cleanUp, emptyFolder, run } from "./support.ts";

cleanUp();

/** Sets the window's title, moves the cursor, forges a line, and the same by C1. */
const HOSTILE = "a\u001b]0;owned\u0007b\u001b[2Jc\rd\u009b31me\u007ff";
const ESCAPED = "a\\u001b]0;owned\\u0007b\\u001b[2Jc\\u000dd\\u009b31me\\u007ff";

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/;

const TIME = "2026-01-01T00:00:00.000Z";
const event = {
  specversion: "1.0",
  id: "1",
  source: "/events",
  logidentity: "0123456789abcdef",
  type: HOSTILE,
  subject: HOSTILE,
  time: TIME,
  sequence: "0000000000000001",
  data: { note: HOSTILE },
};
const lag = { events: 1, seconds: 1 };
const failure = {
  position: 1,
  subject: HOSTILE,
  message: HOSTILE,
  since: HOSTILE,
  version: 1,
  type: HOSTILE,
  attempts: 1,
};
const subscription = {
  subscription: HOSTILE,
  created: HOSTILE,
  source: HOSTILE,
  url: HOSTILE,
  status: "paused",
  reason: HOSTILE,
  types: [HOSTILE],
  subjectPrefix: HOSTILE,
  description: HOSTILE,
  mode: "single",
  batch: null,
  concurrency: 1,
  attempts: null,
  handshake: null,
  headers: [HOSTILE],
  endpoint: null,
  rewind: null,
  cursor: 1,
  blocked: 0,
  skipped: 0,
  since: HOSTILE,
  lag,
};
const attempt = {
  time: HOSTILE,
  error: HOSTILE,
  durationMs: 1,
  subject: HOSTILE,
  webhookId: HOSTILE,
  sequence: "1",
  attempts: 1,
  nextAttempt: HOSTILE,
  since: HOSTILE,
};
const stream = { stream: HOSTILE, version: 1, position: 1, time: HOSTILE, firstVersion: 1, erased: true };
const consumer = {
  consumer: HOSTILE,
  state: HOSTILE,
  committed: 1,
  sent: 1,
  lag,
  blocked: 1,
  failure,
  active: true,
  since: TIME,
  seen: HOSTILE,
};
const feed = {
  feed: HOSTILE,
  version: 1,
  status: HOSTILE,
  head: 1,
  cursor: 1,
  lag,
  progress: null,
  failure,
  erasing: false,
  tracing: null,
  draft: false,
  deprecated: HOSTILE,
  sunset: HOSTILE,
};

/** Answers of the server, by the path that is asked for; anything else is a problem. */
const ANSWERS: Record<string, unknown> = {
  "/health": { status: HOSTILE },
  "/streams": { streams: [stream] },
  "/events/consumers": { consumers: [consumer] },
  "/feeds": { feeds: [feed] },
  "/subscriptions": { subscriptions: [subscription] },
  "/subscriptions/s": subscription,
  "/subscriptions/s/attempts": { attempts: [attempt] },
  "/subscriptions/s/blocked": { blocked: [attempt] },
  "/subscriptions/s/skips": { skips: [attempt] },
};

let server: Bun.Server<undefined>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/events") {
        const headers = { "content-type": "application/x-ndjson", "kilde-end": "true", "kilde-head": "1" };
        return new Response(`${JSON.stringify(event)}\n`, { headers });
      }
      const answer = ANSWERS[pathname];
      if (answer !== undefined) return Response.json(answer, { headers: { link: '</>; rel="self"' } });
      const type = "https://kilde.test/problems/stream-not-found";
      const errors = [{ pointer: HOSTILE, detail: HOSTILE }];
      const problem = { type, status: 404, detail: HOSTILE, errors };
      return Response.json(problem, { status: 404, headers: { "content-type": "application/problem+json" } });
    },
  });
});
afterAll(() => server.stop(true));

const commands: readonly (readonly string[])[] = [
  ["streams"],
  ["consumers"],
  ["feeds", "list"],
  ["read", "--pretty"],
  ["webhooks", "list"],
  ["webhooks", "show", "s"],
  ["webhooks", "attempts", "s"],
  ["webhooks", "blocked", "s"],
  ["webhooks", "skips", "s"],
  ["read", "none"],
  ["erase", "none", "--reason", "r"],
  ["append", "none", "A"],
];
for (const command of commands) {
  test(`${command.join(" ")}: control characters that a server sends are printed escaped`, async () => {
    const { stdout, stderr } = await run([...command, "--url", server.url.origin], { cwd: emptyFolder() });
    const printed = stdout + stderr;
    expect(printed).not.toMatch(CONTROL);
    expect(printed).toContain(ESCAPED);
  });
}

test("JSON for programs keeps its bytes", async () => {
  const { stdout } = await run(["read", "--url", server.url.origin], { cwd: emptyFolder() });
  expect(stdout).toBe(`${JSON.stringify(event)}\n`);
});
