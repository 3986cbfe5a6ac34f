import { expect, test } from "bun:test";

import type { StoreChanges } from "../../../src/client/store-types.ts";
import type { ChangeSource } from "../../../src/console/live/change-source.ts";
import { createFedLive } from "../../../src/console/live/live.ts";
import { shareChanges } from "../../../src/console/live/shared-changes.ts";
import { eventually } from "../../support/eventually.ts";

/** The document of a tab. */
function openPage() {
  return Object.assign(new EventTarget(), { hidden: false });
}

test("shared changes: a connection makes the page live, a lost one is shown, and a refusal ends it", async () => {
  const live = createFedLive();
  const states: string[] = [];
  live.status.subscribe((status) => states.push(status));
  const refused = Promise.withResolvers<unknown>();
  const source: ChangeSource = async function* ({ onOpen, onLost }): AsyncGenerator<StoreChanges> {
    onOpen();
    yield { logs: { "/events": 1 } };
    onLost();
    onOpen();
    yield { logs: { "/events": 2 } };
    throw new Error("refused");
  };
  const closing = new AbortController();
  shareChanges({
    source,
    live,
    page: openPage(),
    name: `changes-${crypto.randomUUID()}`,
    signal: closing.signal,
    onError: refused.resolve,
  });
  expect(await refused.promise).toEqual(new Error("refused"));
  expect(states).toEqual(["connecting", "live", "offline", "live", "ended"]);
  expect(live.head("/events").value).toBe(2);
  closing.abort();
});

test("shared changes: a tab that was opened without a leader becomes live with the next connection", async () => {
  const live = createFedLive();
  const name = `changes-${crypto.randomUUID()}`;
  const closing = new AbortController();
  // Another tab leads: it was live under the leader before it, so that it announces no other status.
  const leader = new BroadcastChannel(name);
  shareChanges({
    // eslint-disable-next-line require-yield
    source: async function* () {
      await new Promise(() => {});
    },
    live,
    page: openPage(),
    name,
    signal: closing.signal,
    onError: () => {},
  });
  expect(live.status.value).toBe("connecting");
  leader.postMessage({ kind: "opened" });
  await eventually(() => live.status.value === "live");
  leader.close();
  closing.abort();
});

test("shared changes: a tab that is shown again tries a lost connection at once, and keeps a good one", async () => {
  const live = createFedLive();
  const page = openPage();
  const closing = new AbortController();
  let attempts = 0;
  const source: ChangeSource = async function* ({ signal, onOpen, onLost }): AsyncGenerator<StoreChanges> {
    attempts += 1;
    onOpen();
    if (attempts === 1) onLost();
    yield { logs: { "/events": attempts } };
    // The wait for the next attempt, or the connection: only an abort ends it.
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve);
    });
  };
  const name = `changes-${crypto.randomUUID()}`;
  shareChanges({ source, live, page, name, signal: closing.signal, onError: () => {} });
  const show = async (hidden: boolean): Promise<void> => {
    page.hidden = hidden;
    page.dispatchEvent(new Event("visibilitychange"));
    await Bun.sleep(10);
  };
  await eventually(() => live.head("/events").value === 1);
  await show(true);
  expect([attempts, live.status.value]).toEqual([1, "offline"]);
  await show(false);
  await eventually(() => live.head("/events").value === 2);
  expect([attempts, live.status.value]).toEqual([2, "live"]);
  await show(true);
  await show(false);
  expect(attempts).toBe(2);
  closing.abort();
  await show(false);
  expect(attempts).toBe(2);
});
