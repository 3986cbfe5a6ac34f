import { describe, expect, test } from "bun:test";

import type { Access } from "../../src/access/access.ts";
import type { OidcClient } from "../../src/access/oidc.ts";
import type { OpenedSession } from "../../src/access/sessions.ts";
import { type Database, integerAt } from "../../src/storage/database.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { type AccessOfTest, accessForEachTest } from "./access-for-each-test.ts";
import { created, type Runtime } from "./opened.ts";

const HOUR_MS = 60 * 60 * 1_000;
const RUNTIMES: readonly Runtime[] = ["server", "worker"];

const CLAIMED = {
  name: "oidc:people.example:mette",
  grants: [{ verb: "admin" }],
  consumer: null,
} as const;

const STARTED = { state: "s", nonce: "n", codeVerifier: "v", returnTo: "/console" };

/** A provider that nobody signs in at. */
function provider(clientSecret?: string, issuer = "https://people.example"): OidcClient {
  const unused = () => Promise.reject(new Error("the test does not sign in"));
  return { issuer, clientSecret, begin: unused, complete: unused };
}

async function sessionWith(access: Access, token: string): Promise<OpenedSession> {
  const opened = await access.sessions.openWithKey(token);
  if (opened === null) throw new Error("the token opens no session");
  return opened;
}

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  for (const runtime of RUNTIMES)
    describe(`sessions on ${deployment.name}, as in a ${runtime}`, () => {
      let time: AccessOfTest["time"];
      let database: Database;
      let access: Access;
      let another: AccessOfTest["another"];
      accessForEachTest(deployment, runtime, (opened) => ({ time, database, access, another } = opened));

      test("a session of a key is its sender in every process, with the same name, grants and consumer", async () => {
        const { key, token } = await created(access);
        const { sealed, principal } = await sessionWith(access, token);
        expect(principal).toEqual({
          kind: "session",
          name: "cards",
          grants: [{ verb: "read", path: "/feeds/declarations", isPrefix: false, subjectPrefix: "" }],
          consumer: "cards",
          credential: key.id,
          expires: time.clock.now() + 12 * HOUR_MS,
        });
        for (const one of [access, await another()]) {
          // As when a browser loads a page: none of the first requests of a process is refused.
          const found = await Promise.all([1, 2, 3].map(() => one.sessions.identify(sealed)));
          expect(found).toEqual([principal, principal, principal]);
          expect(one.isValid(principal)).toBe(true);
        }
      });

      test("processes that open their first sessions at the same time share one secret", async () => {
        const { token } = await created(access);
        const others = [access, await another(), await another()];
        const sessions = await Promise.all(others.map((one) => sessionWith(one, token)));
        for (const one of others)
          for (const { sealed } of sessions) expect(await one.sessions.identify(sealed)).not.toBeNull();
      });

      test("the cookie shows nothing of the key, and two cookies of one key differ", async () => {
        const { key, token } = await created(access);
        const [one, other] = [await sessionWith(access, token), await sessionWith(access, token)];
        expect(one.sealed).not.toBe(other.sealed);
        const visible = one.sealed
          .split(".")
          .map((part) => atob(part.replaceAll("-", "+").replaceAll("_", "/")));
        expect(visible.join("")).not.toContain(key.id);
        expect(visible[0]).toBe('{"alg":"dir","enc":"A256GCM"}');
      });

      test("a session ends after 12 hours", async () => {
        const { token } = await created(access);
        const { sealed } = await sessionWith(access, token);
        await time.pass(12 * HOUR_MS - 1_000);
        expect(await access.sessions.identify(sealed)).not.toBeNull();
        await time.pass(1_000);
        expect(await access.sessions.identify(sealed)).toBeNull();
      });

      test("a session ends with its key, even if the key expires earlier", async () => {
        const expires = time.clock.now() + HOUR_MS;
        const { token } = await created(access, { expires });
        const { sealed, principal } = await sessionWith(access, token);
        expect(principal.expires).toBe(expires);
        await time.pass(HOUR_MS);
        expect(await access.sessions.identify(sealed)).toBeNull();
      });

      test("revoking the key ends its sessions: at once here, and elsewhere when the keys are read again", async () => {
        const { key, token } = await created(access);
        const { sealed, principal } = await sessionWith(access, token);
        const other = await another();
        expect(await other.sessions.identify(sealed)).not.toBeNull();
        await access.revoke(key.id);
        expect(await access.sessions.identify(sealed)).toBeNull();
        expect(access.isValid(principal)).toBe(false);
        await time.pass(1_001);
        expect(await other.sessions.identify(sealed)).toBeNull();
      });

      test("a token that is not valid opens no session", async () => {
        const { key, token } = await created(access);
        await access.revoke(key.id);
        for (const text of [token, "", "kilde_", `${token}x`, "a.b.c"])
          expect(await access.sessions.openWithKey(text)).toBeNull();
      });

      test("a text that this store has not sealed is nobody, whatever is changed in it", async () => {
        const { token } = await created(access);
        const { sealed } = await sessionWith(access, token);
        const elsewhere = await deployment.open();
        const foreign = await another({ database: elsewhere.database() });
        const { sealed: ofOther } = await sessionWith(foreign, (await created(foreign)).token);
        await foreign.close();
        await elsewhere.dispose();
        const texts = ["", ".", "....", "a".repeat(5_000), ofOther];
        for (let at = 0; at < sealed.length; at += 7) {
          const other = sealed[at] === "A" ? "w" : "A";
          texts.push(`${sealed.slice(0, at)}${other}${sealed.slice(at + 1)}`);
        }
        for (const text of texts) {
          await time.pass(100);
          expect(await access.sessions.identify(text)).toBeNull();
        }
      });

      test("a sealed sign-in is no session, and a session no sign-in", async () => {
        const { token } = await created(access);
        const { sealed } = await sessionWith(access, token);
        const signIn = await access.sessions.sealSignIn(STARTED);
        expect(await access.sessions.openSignIn(signIn)).toMatchObject(STARTED);
        expect(await access.sessions.identify(signIn)).toBeNull();
        expect(await access.sessions.openSignIn(sealed)).toBeNull();
      });

      test("a sign-in has to be completed within 10 minutes", async () => {
        const signIn = await access.sessions.sealSignIn(STARTED);
        await time.pass(10 * 60_000 - 1_000);
        expect(await access.sessions.openSignIn(signIn)).not.toBeNull();
        await time.pass(1_000);
        expect(await access.sessions.openSignIn(signIn)).toBeNull();
      });

      test("the session of a person has the claimed grants in every process with the same provider and secret", async () => {
        const one = await another({ oidc: provider("s3cret") });
        const { sealed, principal } = await one.sessions.openSignedIn(CLAIMED);
        expect(principal).toMatchObject({ kind: "session", ...CLAIMED, credential: null });
        expect(await (await another({ oidc: provider("s3cret") })).sessions.identify(sealed)).toEqual(
          principal,
        );
        for (const other of [provider("other"), provider(), provider("s3cret", "https://other.example")])
          expect(await (await another({ oidc: other })).sessions.identify(sealed)).toBeNull();
        expect(await access.sessions.identify(sealed)).toBeNull();
      });

      test("a provider of sessions closes a store as an issuer of tokens does, and for all processes", async () => {
        const one = await another({ oidc: provider() });
        expect(one.isSecured()).toBe(true);
        expect(access.isSecured()).toBe(false);
        await one.refreshed();
        await time.pass(1_001);
        await access.refreshed();
        expect(access.isSecured()).toBe(true);
      });

      test("grants that do not fit into a cookie open no session", async () => {
        const one = await another({ oidc: provider() });
        const grants = Array.from({ length: 400 }, (_, index) => ({
          verb: "read" as const,
          path: `/feeds/feed-${index}`,
          isPrefix: false,
          subjectPrefix: "",
        }));
        expect(one.sessions.openSignedIn({ ...CLAIMED, grants })).rejects.toThrow("do not fit into a cookie");
      });

      test("the secret of a store that replaced this one is used within a second", async () => {
        const { token } = await created(access);
        await sessionWith(access, token);
        await database.write([
          { sql: "update access_state set session_secret = ?1", args: ["f".repeat(64)] },
        ]);
        const other = await another();
        const { sealed } = await sessionWith(other, token);
        await time.pass(1_000);
        expect(await access.sessions.identify(sealed)).not.toBeNull();
      });

      test("cookies that nothing opens read the secret at most once a second", async () => {
        const { token } = await created(access);
        await sessionWith(access, token);
        let reads = 0;
        const counted = await another({
          database: {
            ...database,
            read: (statement) => {
              reads += 1;
              return database.read(statement);
            },
          },
        });
        await counted.refreshed();
        reads = 0;
        for (let turn = 0; turn < 50; turn += 1) await counted.sessions.identify("a.b.c.d.e");
        expect(reads).toBe(1);
      });

      test("opening a session does not secure a store, and keeps the revision of its keys", async () => {
        await access.sessions.sealSignIn(STARTED);
        const [row] = await database.read({ sql: "select revision, secured from access_state", args: [] });
        expect([integerAt(row, 0), integerAt(row, 1)]).toEqual([0, 0]);
      });
    });
});
