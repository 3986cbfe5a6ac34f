import { describe, expect, test } from "bun:test";

import { openDatabase } from "../../../src/storage/open.ts";
import { databaseOf, emptyFolder } from "../../cli/support.ts";
import { jsonPost } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  ofSubject,
  post,
  type Receiver,
  startReceiver,
  startServer,
  subscribe,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

describe("an operation on a subscription:", () => {
  test("a rotated secret signs beside the old one, and then alone", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { path, secret } = await subscribe(server, hook);
    const next = await post<{ secret: string }>(server, `${path}/rotate-secret`);
    expect(next.secret).not.toBe(secret);
    hook.secrets = [secret, next.secret];
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    expect(hook.requests[0]?.signatures.split(" ")).toHaveLength(2);
    await post(server, `${path}/rotate-secret`, { overlapSeconds: 0, secret });
    hook.secrets = [secret];
    await append(server, "a");
    await eventually(() => hook.taken().length === 2);
    expect(hook.requests[1]?.signatures.split(" ")).toHaveLength(1);
  });

  test("the overlap of a rotated secret ends on time while events are delivered all along", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { path, secret } = await subscribe(server, hook);
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    const overlapSeconds = 2;
    const askedMs = Date.now();
    const next = await post<{ secret: string }>(server, `${path}/rotate-secret`, { overlapSeconds });
    const answeredMs = Date.now();
    hook.secrets = [next.secret];
    const signatures = () => hook.requests.slice(1).map((request) => request.signatures.split(" ").length);
    let appended = 1;
    while (!signatures().includes(1)) {
      await append(server, "a");
      appended += 1;
      await eventually(() => hook.taken().length === appended);
    }
    expect(signatures()).toContain(2);
    for (const { signedAt, signatures: text } of hook.requests.slice(1)) {
      const isOverlap = text.split(" ").length === 2;
      if (isOverlap) expect(signedAt).toBeLessThanOrEqual(answeredMs / 1_000 + overlapSeconds);
      else expect(signedAt + 1).toBeGreaterThan(askedMs / 1_000 + overlapSeconds);
    }
    expect(secret).not.toBe(next.secret);
  });

  test("a request that is under way when the subscription is changed holds back its subject alone", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const held = Promise.withResolvers<void>();
    const underWay = new Map<string, number>();
    let most = 0;
    hook.answer = async ([event]) => {
      const subject = event?.subject ?? "";
      underWay.set(subject, (underWay.get(subject) ?? 0) + 1);
      most = Math.max(most, underWay.get(subject) ?? 0);
      if (subject === "slow") await held.promise;
      underWay.set(subject, (underWay.get(subject) ?? 0) - 1);
      return new Response(null, { status: 204 });
    };
    await append(server, "slow", 2);
    const { path } = await subscribe(server, hook);
    await eventually(() => underWay.get("slow") === 1);
    let quick = 0;
    for (const url of [`${hook.url}?one`, `${hook.url}?two`]) {
      await call(server, path, { ...jsonPost({ url }), method: "PATCH" });
      await append(server, "quick", 2);
      quick += 2;
      await eventually(() => hook.taken().includes(`quick@${quick}`));
    }
    expect(underWay.get("slow")).toBe(1);
    held.resolve();
    // The answer came too late to count: the event is sent again, and the one after it in its turn.
    await eventually(() => ofSubject(hook.taken(), "slow").includes("slow@2"));
    expect(ofSubject(hook.taken(), "slow")).toEqual(["slow@1", "slow@1", "slow@2"]);
    expect(most).toBe(1);
  });

  test("subscriptions whose progress cannot be stored have others repeat nothing", async () => {
    const cwd = emptyFolder();
    const server = await startServer(cwd);
    const [refused, other] = [startReceiver(), startReceiver()];
    const subscribed = async (to: Receiver) => {
      const all = [];
      for (let count = 0; count < 6; count += 1) all.push(await subscribe(server, to));
      to.secrets = [];
      return all;
    };
    const [ofRefused, ofOther] = [await subscribed(refused), await subscribed(other)];
    const { KILDE_DATABASE_URL: url = `file:${cwd}/data/kilde.db` } = await databaseOf(cwd);
    const database = openDatabase({ url });
    const ids = ofRefused.map(({ subscription }) => `'${subscription}'`).join(", ");
    const sql = `create trigger refused before update of cursor on subscriptions
      when new.id in (${ids}) begin select raise(abort, 'FOREIGN KEY constraint failed'); end`;
    await database.write([{ sql, args: [] }]);
    const isAt = async (subscriptions: typeof ofOther, cursor: number) => {
      const all = await Promise.all(subscriptions.map(({ now }) => now()));
      return all.every((shown) => shown.cursor === cursor);
    };
    const repeated = ({ requests }: Receiver) =>
      requests.length - new Set(requests.map(({ webhookId }) => webhookId)).size;
    let appended = 0;
    while (repeated(refused) < 20) {
      await append(server, `s-${appended % 7}`, 5);
      appended += 5;
      await Bun.sleep(20);
    }
    await eventually(() => isAt(ofOther, appended));
    expect(repeated(other)).toBe(0);
    await database.write([{ sql: "drop trigger refused", args: [] }]);
    database.close();
    await eventually(() => isAt(ofRefused, appended));
  }, 60_000);

  test("a rewind delivers again, in order for each subject, while new events are delivered too", async () => {
    const server = await startServer();
    const hook = startReceiver();
    for (const subject of ["a", "b", "c"]) await append(server, subject, 20);
    const { path, now } = await subscribe(server, hook);
    await eventually(() => hook.requests.length === 60);
    // The cursor passes subjects that are behind, and a rewind repeats their progress that is not stored yet. A save
    // with a later event stores all of it, except perhaps for that event.
    await append(server, "settled");
    await eventually(async () => (await now()).cursor === 61);
    const taken = () => hook.taken().filter((name) => name !== "settled@1");
    const counted = await post<object>(server, `${path}/rewind`, { after: 10, upTo: 45, dryRun: true });
    expect(counted).toEqual({ events: 35, subjects: 3, dryRun: true });
    await post(server, `${path}/rewind`, { after: 10, upTo: 45 });
    await append(server, "d", 5);
    await eventually(() => taken().length === 60 + 40);
    const again = taken().slice(60);
    const versions = (subject: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, n) => `${subject}@${from + n}`);
    expect(ofSubject(again, "a")).toEqual(versions("a", 11, 20));
    expect(ofSubject(again, "b")).toEqual(versions("b", 1, 20));
    expect(ofSubject(again, "c")).toEqual(versions("c", 1, 5));
    expect(ofSubject(again, "d")).toEqual(versions("d", 1, 5));
    await eventually(async () => (await now()).status === "active");
    expect(await now()).toMatchObject({ rewind: null, cursor: 66 });
  });

  test("a paused subscription is sent nothing, and then all of it", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const { path, now } = await subscribe(server, hook);
    await append(server, "a");
    await eventually(async () => (await now()).cursor === 1);
    await post(server, `${path}/pause`, { reason: "moving" });
    await append(server, "a", 3);
    expect(await now()).toMatchObject({ status: "paused", reason: "moving", cursor: 1, lag: { events: 3 } });
    const outcome = await post<object>(server, `${path}/test`);
    expect(outcome).toMatchObject({ acknowledged: true });
    expect(hook.requests.at(-1)?.events).toMatchObject([{ type: "kilde.test" }]);
    await post(server, `${path}/resume`);
    await eventually(() => hook.requests.length === 5);
    expect(hook.taken().slice(2)).toEqual(["a@2", "a@3", "a@4"]);
  });

  test("a deleted subscription is sent nothing more", async () => {
    const server = await startServer();
    const [hook, other] = [startReceiver(), startReceiver()];
    const { path } = await subscribe(server, hook);
    await subscribe(server, other);
    await append(server, "a");
    await eventually(() => hook.taken().length === 1);
    await call(server, path, { method: "DELETE" });
    await append(server, "a", 5);
    await eventually(() => other.taken().length === 6);
    expect(hook.taken()).toEqual(["a@1"]);
  });
});
