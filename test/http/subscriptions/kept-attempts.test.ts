import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import type { DeliveryAttempts } from "../../../src/client/index.ts";
import { emptyFolder } from "../../cli/support.ts";
import { jsonPost } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  post,
  startReceiver,
  startServer,
  startWithFeed,
  subscribe,
} from "./delivering.ts";

runsOn(["file"]);
cleanUpDeliveries();

type Server = Awaited<ReturnType<typeof startServer>>;

const attemptsOf = (server: Server, path: string, query = "") =>
  call<DeliveryAttempts>(server, `${path}/attempts${query}`);

/** Waits until so many attempts are stored. */
const stored = (server: Server, path: string, count: number) =>
  eventually(async () => (await attemptsOf(server, path, "?limit=200")).attempts.length === count);

describe("a subscription that keeps attempts", () => {
  test("shows request and answer of each, the latest first, without a credential", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const headers = { Authorization: "Bearer s3cret" };
    const { path } = await subscribe(server, hook, { keepAttempts: 10, headers });
    hook.answer = () => new Response(`${"x".repeat(2_000)}\0`, { status: 500 });
    await append(server, "a");
    await eventually(() => hook.requests.length > 0);
    hook.answer = () => new Response("thanks \0 ✓", { status: 202 });
    await eventually(() => hook.taken().length === 1);
    await eventually(async () => (await attemptsOf(server, path, "?outcome=delivered")).attempts.length > 0);
    const { attempts, next } = await attemptsOf(server, path);
    expect(next).toBeNull();
    expect(attempts.map(({ id }) => id)).toEqual(
      attempts.map(({ id }) => id).toSorted((a, b) => Number(b) - Number(a)),
    );
    expect(attempts[0]).toMatchObject({
      outcome: "delivered",
      status: 202,
      error: null,
      subject: "a",
      positions: [1],
      request: {
        url: hook.url,
        headers: {
          Authorization: "redacted",
          "webhook-signature": "redacted",
          "webhook-id": attempts[0]?.webhookId ?? "",
        },
      },
      answer: "thanks \uFFFD ✓",
    });
    expect(JSON.parse(attempts[0]?.request?.body ?? "")).toMatchObject({ subject: "a", data: { n: 0 } });
    const failed = await attemptsOf(server, path, "?outcome=failed");
    expect(failed.attempts[0]).toMatchObject({ outcome: "failed", status: 500, error: "status 500" });
    expect(failed.attempts[0]?.answer).toBe("x".repeat(1_024));
    expect(JSON.stringify(attempts)).not.toContain("s3cret");
  });

  test("keeps the latest of each outcome, which pages list once each", async () => {
    const server = await startServer();
    const hook = startReceiver();
    hook.answer = ([event]) => new Response(null, { status: event?.subject === "bad" ? 422 : 204 });
    const { path, subscription } = await subscribe(server, hook, { keepAttempts: 7, attempts: 1 });
    await append(server, "bad");
    await append(server, "good", 30);
    await eventually(() => hook.requests.length === 31);
    await eventually(async () => (await attemptsOf(server, path)).attempts[0]?.positions[0] === 31);
    const seen: (number | null)[] = [];
    let before = "";
    for (;;) {
      const { attempts, next } = await attemptsOf(server, path, `?limit=3${before}`);
      seen.push(...attempts.map(({ positions }) => positions[0] ?? null));
      if (next === null) break;
      before = `&before=${next}`;
    }
    // The one that failed comes where it was made: before all others.
    expect(seen).toEqual([31, 30, 29, 28, 27, 26, 25, 1]);
    const patch = { ...jsonPost({ keepAttempts: 2 }), method: "PATCH" };
    await call(server, path, patch);
    expect((await attemptsOf(server, path)).attempts.map(({ positions }) => positions[0])).toEqual([
      31, 30, 1,
    ]);
    await call(server, path, { ...jsonPost({ keepAttempts: 0 }), method: "PATCH" });
    expect((await attemptsOf(server, path)).attempts.every(({ request }) => request === null)).toBe(true);
    const entries = await call<{ data: unknown }[]>(server, `/operations?type=kilde.subscription.changed`);
    expect(entries.map(({ data }) => data)).toContainEqual({ principal: null, changed: ["keepAttempts"] });
    await call(server, path, { method: "DELETE" });
    expect(subscription).toStartWith("sub_");
  });

  test.each(["single", "batch"] as const)(
    "loses the contents of a subject when it is erased (%s)",
    async (mode) => {
      const cwd = emptyFolder();
      const server = await startServer(cwd);
      const hook = startReceiver();
      const { path } = await subscribe(server, hook, { keepAttempts: 100, mode });
      hook.answer = async (events) =>
        new Response(`took ${events.map(({ data }) => JSON.stringify(data)).join(" ")}`);
      await post(server, "/transactions", {
        appends: ["ida", "ole"].map((stream) => ({
          stream,
          events: [{ type: "A", data: { secret: `${stream}-s3cret` } }],
        })),
      });
      await eventually(() => hook.taken().length === 2);
      await eventually(async () => {
        const { attempts } = await attemptsOf(server, path);
        return attempts.flatMap(({ positions }) => positions).length === 2;
      });
      expect(JSON.stringify(await attemptsOf(server, path))).toContain("ida-s3cret");
      await call(server, "/streams/ida?reason=asked", { method: "DELETE" });
      const { attempts } = await attemptsOf(server, path);
      const ofIda = attempts.filter(({ positions }) => positions.includes(1));
      expect(ofIda.map(({ request, answer }) => [request?.body, answer])).toEqual([[null, null]]);
      if (mode === "single") expect(JSON.stringify(attempts)).toContain("ole-s3cret");
      await eventually(() => hook.taken().length === 3);
      const file = new Database(join(cwd, "data/kilde.db"), { readonly: true });
      expect(
        file
          .query(
            "select count(*) as count from kept_attempts where body like '%ida-s3cret%' or answer like '%ida-s3cret%'",
          )
          .get(),
      ).toEqual({ count: 0 });
      await call(server, path, { method: "DELETE" });
      for (const table of ["kept_attempts", "kept_attempt_subjects"])
        expect(file.query(`select * from ${table}`).all()).toEqual([]);
      file.close();
    },
  );

  test("loses the contents of an attempt that ends after the erasure", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { path } = await subscribe(server, hook, { keepAttempts: 10 });
    const begun = Promise.withResolvers<void>();
    const erased = Promise.withResolvers<void>();
    hook.answer = async ([event]) => {
      if (event?.type === "A") {
        begun.resolve();
        await erased.promise;
      }
      return new Response("took it");
    };
    await append(server, "ida");
    await begun.promise;
    await call(server, "/streams/ida?reason=asked", { method: "DELETE" });
    erased.resolve();
    await eventually(() => hook.requests.length === 2);
    await stored(server, path, 2);
    const { attempts } = await attemptsOf(server, path);
    const contents = attempts.map(({ positions, answer }) => [positions[0], answer]);
    expect(contents).toEqual([
      [2, "took it"],
      [1, null],
    ]);
  });

  test("loses the contents of a subject of a feed when its source stream is erased", async () => {
    const server = await startWithFeed();
    const hook = startReceiver();
    const { path } = await subscribe(server, hook, { source: "/feeds/counts/v1", keepAttempts: 10 });
    hook.answer = () => new Response("took it");
    await append(server, "ida");
    await eventually(() => hook.taken().length === 1);
    await stored(server, path, 1);
    await call(server, "/streams/ida?reason=asked", { method: "DELETE" });
    await eventually(async () => {
      const { attempts } = await attemptsOf(server, path);
      return attempts.at(-1)?.request?.body === null && attempts.at(-1)?.answer === null;
    });
  });
});
