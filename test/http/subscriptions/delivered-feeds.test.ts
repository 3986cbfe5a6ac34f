import { describe, expect } from "bun:test";

import { eventually } from "../../support/eventually.ts";
import { sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";
import {
  app,
  block,
  changed,
  create,
  database,
  FEED,
  openAppForEach,
  post,
  problemOf,
  refused,
  reopen,
  shown,
} from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

describe("a feed that is delivered", () => {
  const retire = (query = "") => app.fetch(`/feeds/orders/v1${query}`, { method: "DELETE" });

  testInProcess("is not retired while a subscription that is not paused delivers it", async () => {
    const { subscription } = await create({ source: FEED.path });
    const paused = await create({ source: FEED.path });
    await post(`/subscriptions/${paused.subscription}/pause`);
    const problem = await problemOf(retire());
    expect(problem).toMatchObject({ type: "/problems/feed-in-use", status: 409 });
    expect(problem.detail).toContain(subscription);
    expect(problem.detail).not.toContain(paused.subscription);
    expect((await app.fetch(FEED.path)).status).toBe(200);
    await post(`/subscriptions/${subscription}/pause`);
    expect((await retire()).status).toBe(202);
    expect(await shown(subscription)).toMatchObject({ status: "paused", reason: "requested" });
  });

  testInProcess(
    "is retired by force; its subscriptions are paused permanently, others continue",
    async () => {
      const { subscription } = await create({ source: FEED.path });
      const other = await create();
      expect((await retire("?force=true")).status).toBe(202);
      expect(changed.at(-1)).toBe(subscription);
      expect(await shown(subscription)).toMatchObject({ status: "paused", reason: "source retired" });
      expect(await shown(other.subscription)).toMatchObject({ status: "active" });
      expect(await problemOf(post(`/subscriptions/${subscription}/resume`))).toMatchObject({
        type: "/problems/feed-retired",
        status: 410,
      });
      expect(await refused({ source: FEED.path })).toMatchObject({ errors: [{ pointer: "/source" }] });
      const response = await app.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
      expect(response.status).toBe(204);
    },
  );
});

describe("a feed that is emptied while subjects of it are blocked", () => {
  const DRAFT = { ...sketch({ name: "drafts" }), draft: true };

  /** Delivered, with a subject that is blocked and an event that was skipped. */
  async function delivered(path: string): Promise<string> {
    await reopen({ feeds: [FEED, DRAFT] });
    await app.append("user-1", { type: "A" }, { type: "A" });
    await app.append("user-2", { type: "A" });
    const { drain } = await openProjection({ database, writer: app.store.writer }, [FEED, DRAFT]);
    await drain();
    const { subscription } = await create({ source: path, start: "beginning" });
    await block(subscription, "user-1", 1, path);
    await block(subscription, "user-2", 1, path);
    const skipped = await post(`/subscriptions/${subscription}/blocked/user-2/skip`);
    expect(skipped.status).toBe(200);
    return subscription;
  }

  const statusOf = async (name: string) => {
    const sql = "select status from feeds where name = ?1";
    return (await database.read({ sql, args: [name] }))[0]?.[0];
  };

  testInProcess("is retired", async () => {
    const subscription = await delivered(FEED.path);
    expect((await app.fetch(`${FEED.path}?force=true`, { method: "DELETE" })).status).toBe(202);
    await eventually(async () => (await statusOf("orders")) === "retired");
    expect(await shown(subscription)).toMatchObject({ status: "paused", blocked: 0 });
    expect(await app.get<object>(`/subscriptions/${subscription}/skips`)).toEqual({ skips: [] });
  });

  testInProcess("is built again, and delivery continues", async () => {
    const subscription = await delivered(DRAFT.path);
    expect((await post(`${DRAFT.path}/rebuild`)).status).toBe(202);
    await eventually(async () => (await statusOf("drafts")) === "building");
    expect(await shown(subscription)).toMatchObject({ status: "active", blocked: 0, cursor: 0 });
  });
});
