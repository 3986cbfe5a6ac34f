import { expect, test } from "bun:test";

import { KildeError } from "../../../src/core/errors.ts";
import type { SenderInfo } from "../../../src/client/session.ts";
import { createBrowserSession } from "../../../src/console/data/session-state.ts";
import { shareSession } from "../../../src/console/data/shared-session.ts";
import { eventually } from "../../support/eventually.ts";

function senderNamed(name: string): SenderInfo {
  return { kind: "session", name, grants: ["read:/events"], consumer: null, expires: null };
}

/** Tabs of one browser, which share a cookie. The token of a key is its name. */
function openBrowser() {
  let cookie: string | null = null;
  let requests = 0;
  const name = `session-${crypto.randomUUID()}`;
  const openTab = () => {
    const session = createBrowserSession({
      session: {
        async get({ may = [] } = {}) {
          requests += 1;
          if (cookie === null) throw new KildeError("unauthenticated", "There is no session");
          const owner = cookie;
          return { ...senderNamed(owner), may: may.map((grant) => ({ grant, granted: owner === "ida" })) };
        },
        async open(token) {
          cookie = token;
          return senderNamed(token);
        },
        async end() {
          cookie = null;
        },
      },
    });
    return { session, close: shareSession({ session, name }) };
  };
  return { openTab, requests: () => requests };
}

function shownName({ session }: ReturnType<ReturnType<typeof openBrowser>["openTab"]>): string | null {
  const state = session.state.value;
  return state.kind === "signed-in" ? state.sender.name : null;
}

test("shared session: all tabs show the person that one of them signs in, and nobody after a sign-out", async () => {
  const { openTab, requests } = openBrowser();
  const [one, other] = [openTab(), openTab()];
  await one.session.signIn("ida");
  await eventually(() => shownName(other) === "ida");
  await other.session.signIn("bo");
  await eventually(() => shownName(one) === "bo");
  await one.session.signOut();
  await eventually(() => other.session.state.value.kind === "signed-out");
  // Tabs that agree ask nothing more.
  const asked = requests();
  await Bun.sleep(20);
  expect([asked, requests()]).toEqual([3, 3]);
  one.close();
  other.close();
});

test("session: another sender has none of the grants of the one before", async () => {
  const { openTab } = openBrowser();
  const { session, close } = openTab();
  await session.signIn("ida");
  session.may("read:/events");
  await eventually(() => session.may("read:/events").value);
  await session.signIn("bo");
  expect(session.may("read:/events").value).toBe(false);
  close();
});
