import { expect, test } from "bun:test";

import type { LogNotice } from "../../../src/log/append/writer.ts";
import {
  createSharedHead,
  receivingNotices,
  sendingNotices,
} from "../../../src/runtime/threads/shared-head.ts";
import { openApp } from "../../support/app.ts";

const NOBODY = new AbortController().signal;

/** Sends notices to a reader of an empty log, with the notices that were sent as messages. */
async function connected() {
  const app = await openApp();
  const { reader } = app.store;
  const { identity } = await reader.state();
  const shared = createSharedHead();
  const sent: LogNotice[] = [];
  const receiving = receivingNotices(shared, reader);
  const notify = sendingNotices(shared, (notice) => {
    sent.push(notice);
    receiving.notify(notice);
  });
  notify({ head: 1, identity });
  return { app, sent, receiving, notify, identity };
}

test("while nothing waits, only notices of an identity or a removal are sent", async () => {
  const { app, sent, notify, identity } = await connected();
  notify({ head: 2, identity });
  notify("truncated");
  notify({ head: 1, identity: "another" });
  notify({ head: 2, identity: "another" });
  expect(sent).toEqual([{ head: 1, identity }, "truncated", { head: 1, identity: "another" }]);
  await app.close();
});

test("a wait ends at once for a head that was not sent, and by a message for a later one", async () => {
  const { app, sent, receiving, notify, identity } = await connected();
  notify({ head: 5, identity });
  expect(await receiving.passed(4, NOBODY)).toBe(5);
  const waiting = receiving.passed(5, NOBODY);
  notify({ head: 6, identity });
  expect(await waiting).toBe(6);
  notify({ head: 7, identity });
  expect(sent).toEqual([
    { head: 1, identity },
    { head: 6, identity },
  ]);
  await app.close();
});
