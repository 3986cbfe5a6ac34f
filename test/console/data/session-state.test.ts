import { expect, test } from "bun:test";

import { KildeError } from "../../../src/core/errors.ts";
import { createBrowserSession } from "../../../src/console/data/session-state.ts";
import { streamGrant } from "../../../src/console/streams/stream-grant.ts";
import { parseGrant } from "../../../src/access/grant.ts";

/** A session that grants everything that can be granted, as the server does without keys. */
function openSession() {
  const requests: number[] = [];
  const sender = { kind: "anybody", name: null, grants: ["admin"], consumer: null, expires: null } as const;
  const session = createBrowserSession({
    session: {
      async get({ may = [] } = {}) {
        requests.push(may.length);
        for (const grant of may) {
          if ("fault" in parseGrant(grant)) throw new KildeError("invalid-parameter", `may: ${grant}`);
        }
        return { ...sender, may: may.map((grant) => ({ grant, granted: true })) };
      },
      open: async () => sender,
      end: async () => {},
    },
  });
  return { session, requests };
}

test("session: grants of one moment are asked for together", async () => {
  const { session, requests } = openSession();
  const answers = ["read:/events", "append:/streams/user-1"].map((grant) => session.may(grant));
  await Bun.sleep(1);
  expect([answers.map(({ value }) => value), requests]).toEqual([[true, true], [2]]);
});

test("session: a grant that there cannot be is not given, and does not hide the others", async () => {
  const { session } = openSession();
  const answers = ["read:/events", "append:/streams/\u0000", "read:/operations"].map((grant) =>
    session.may(grant),
  );
  await Bun.sleep(1);
  expect(answers.map(({ value }) => value)).toEqual([true, false, true]);
});

test.each([
  ["user-1", "append:/streams/user-1"],
  ["a b?c=1", "append:/streams/a b?c=1"],
  ["x*y", "append:/streams"],
  ["/x", "append:/streams"],
  ["x//y", "append:/streams"],
  ["", "append:/streams"],
])("session: an append to %j needs %s, which there can be", (stream, grant) => {
  expect(streamGrant("append", stream)).toBe(grant);
  expect(parseGrant(grant)).not.toHaveProperty("fault");
});

test("session: after an outage the same sender keeps its state, and gets its current grants", async () => {
  let isDown = false;
  let isGranted = false;
  const sender = { kind: "session", name: "ida", grants: [], consumer: null, expires: null } as const;
  const session = createBrowserSession({
    session: {
      async get({ may = [] } = {}) {
        if (isDown) throw new Error("The server does not answer");
        return { ...sender, may: may.map((grant) => ({ grant, granted: isGranted })) };
      },
      open: async () => sender,
      end: async () => {},
    },
  });
  await session.refresh();
  const before = session.state.value;
  isDown = true;
  const answer = session.may("read:/events");
  await session.refresh();
  await Bun.sleep(1);
  expect([answer.value, session.state.value]).toEqual([false, before]);
  isDown = false;
  isGranted = true;
  await session.refresh();
  await Bun.sleep(1);
  expect([answer.value, session.state.value === before]).toEqual([true, true]);
});
