import { expect, test } from "bun:test";

import type { StoreChanges } from "../../../src/client/store-types.ts";
import type { ChangeSource } from "../../../src/console/live/change-source.ts";
import { createFedLive } from "../../../src/console/live/live.ts";
import { shareChanges } from "../../../src/console/live/shared-changes.ts";
import { eventually } from "../../support/eventually.ts";

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
