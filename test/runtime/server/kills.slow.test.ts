import { expect, test } from "bun:test";

import { checkKills } from "../../support/kills.ts";

const TIMEOUT_MS = 600_000;

test(
  "kill -9 under load loses and repeats nothing",
  async () => {
    const { events, unanswered } = await checkKills("file", { servers: 1, rounds: 50 });
    // Or there was no load to speak of.
    expect(events).toBeGreaterThan(1_000);
    expect(unanswered).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

test(
  "kill -9 while one client appends loses and repeats nothing",
  async () => {
    const { events, unanswered } = await checkKills("file", { servers: 1, rounds: 20, clients: 1 });
    expect(events).toBeGreaterThan(1_000);
    expect(unanswered).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

test(
  "kill -9 of two servers on one file loses and repeats nothing",
  async () => {
    const { events } = await checkKills("file", { servers: 2, rounds: 10 });
    expect(events).toBeGreaterThan(1_000);
  },
  TIMEOUT_MS,
);
