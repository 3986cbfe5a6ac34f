import { expect, test } from "bun:test";

import type { StoreChanges } from "../../../src/client/store-types.ts";
import type { ChangeSource } from "../../../src/console/live/change-source.ts";
import { createFedLive } from "../../../src/console/live/live.ts";
import { shareChanges } from "../../../src/console/live/shared-changes.ts";

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
