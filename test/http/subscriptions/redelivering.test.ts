import { describe, expect, test } from "bun:test";

import { runsOn, testInProcess } from "../../support/tested-on.ts";
import { app, block, changed, create, openAppForEach, patch, post, problemOf, shown } from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

describe("rewinding", () => {
  const rewind = (id: string, body?: unknown) => post(`/subscriptions/${id}/rewind`, body);

  test.each<[object | undefined, { events: number; subjects: number }]>([
    [undefined, { events: 4, subjects: 2 }],
    [{ after: 2 }, { events: 2, subjects: 2 }],
    [
      { after: 1, upTo: 3 },
      { events: 2, subjects: 2 },
    ],
    [
      { after: 3, upTo: 3 },
      { events: 0, subjects: 0 },
    ],
    [{ upTo: 1_000 }, { events: 4, subjects: 2 }],
    [{ subjects: ["user-1"] }, { events: 2, subjects: 1 }],
    [{ subjects: ["user-1", "user-1"] }, { events: 2, subjects: 1 }],
    [
      { subjects: ["user-1", "user-0"], after: 2 },
      { events: 2, subjects: 2 },
    ],
    [
      { subjects: ["user-1"], after: 1, upTo: 2 },
      { events: 0, subjects: 0 },
    ],
    [{ subjects: ["nobody"] }, { events: 0, subjects: 0 }],
  ])("counts the events of %j first, and then delivers them again", async (body, counted) => {
    const { subscription } = await create();
    const dry = await rewind(subscription, { ...body, dryRun: true });
    expect(dry.status).toBe(200);
    expect(await dry.json()).toEqual({ ...counted, dryRun: true });
    expect(await shown(subscription)).toMatchObject({ status: "active", rewind: null });
    const done = await rewind(subscription, body);
    expect(done.status).toBe(202);
    expect(await done.json()).toEqual({ ...counted, dryRun: false });
  });

  test("counts only the selected events", async () => {
    const { subscription } = await create({ types: ["A"], subjectPrefix: "user-1" });
    const count = async (body: object) => (await rewind(subscription, { ...body, dryRun: true })).json();
    expect(await count({})).toMatchObject({ events: 1, subjects: 1 });
    expect(await count({ subjects: ["user-1"] })).toMatchObject({ events: 1, subjects: 1 });
    expect(await count({ subjects: ["user-0"] })).toMatchObject({ events: 0, subjects: 0 });
  });

  test("is shown by the subscription until it is done", async () => {
    const { subscription } = await create();
    await rewind(subscription, { after: 1 });
    expect(await shown(subscription)).toMatchObject({
      status: "catching-up",
      rewind: { after: 1, upTo: 4 },
      cursor: 4,
    });
    expect(await problemOf(patch(subscription, { mode: "doorbell" }))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer: "/mode" }],
    });
  });

  test.each<[object, string]>([
    [{ after: 5 }, "/after"],
    [{ after: -1 }, "/after"],
    [{ after: 3, upTo: 2 }, "/upTo"],
    [{ subjects: [] }, "/subjects"],
    [{ subjects: [""] }, "/subjects/0"],
    [{ until: 3 }, "/until"],
  ])("refuses %j", async (body, pointer) => {
    const { subscription } = await create();
    expect(await problemOf(rewind(subscription, body))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer }],
    });
  });

  test("is refused for a doorbell", async () => {
    const { subscription } = await create({ mode: "doorbell" });
    expect(await problemOf(rewind(subscription))).toMatchObject({ type: "/problems/invalid-body" });
  });
});

describe("blocked subjects", () => {
  testInProcess("are listed by name, retried and skipped; a skip is recorded", async () => {
    await app.append("a/b c", { type: "A" });
    const { subscription } = await create({ start: "beginning" });
    const path = `/subscriptions/${subscription}`;
    await block(subscription, "user-1", 1);
    await block(subscription, "a/b c", 1);
    expect(await shown(subscription)).toMatchObject({
      status: "failing",
      reason: "blocked subjects",
      blocked: 2,
    });
    const listed = async (query = "") =>
      (await app.get<{ blocked: object[] }>(`${path}/blocked${query}`)).blocked;
    const entry = {
      sequence: "0000000000000001",
      attempts: 2,
      error: "status 422",
      since: "2026-02-01T12:00:00.000Z",
      nextAttempt: "2030-03-17T17:46:40.000Z",
    };
    const [first, second] = [
      { subject: "a/b c", position: 5, ...entry },
      { subject: "user-1", position: 1, ...entry },
    ];
    expect(await listed()).toEqual([first, second]);
    expect(await listed("?limit=1")).toEqual([first]);
    expect(await listed(`?cursor=${encodeURIComponent("a/b c")}`)).toEqual([second]);
    const retried = await post(`${path}/blocked/${encodeURIComponent("a/b c")}/retry`);
    expect(retried.status).toBe(202);
    expect(await listed("?limit=1")).toMatchObject([{ nextAttempt: "1970-01-01T00:00:00.000Z" }]);
    // Only what the caller means is skipped.
    for (const sequence of [2, "0000000000000002"]) {
      expect(await problemOf(post(`${path}/blocked/user-1/skip`, { sequence }))).toMatchObject({
        type: "/problems/subject-not-blocked",
        status: 409,
      });
    }
    const skipped = await post(`${path}/blocked/user-1/skip`, { sequence: "0000000000000001" });
    expect(await skipped.json()).toEqual({ subject: "user-1", sequence: "0000000000000001" });
    expect(await listed()).toHaveLength(1);
    expect(await app.get<object>(`${path}/skips`)).toEqual({
      skips: [
        {
          subject: "user-1",
          sequence: "0000000000000001",
          time: "2026-02-01T12:00:04.000Z",
          attempts: 2,
          error: "status 422",
        },
      ],
    });
    expect(await problemOf(post(`${path}/blocked/user-1/skip`))).toMatchObject({ status: 409 });
    expect(changed).toHaveLength(3);
  });

  test("one that is not blocked can be neither retried nor skipped", async () => {
    const { subscription } = await create();
    for (const verb of ["retry", "skip"]) {
      for (const subject of ["user-1", "nobody"]) {
        expect(
          await problemOf(post(`/subscriptions/${subscription}/blocked/${subject}/${verb}`)),
        ).toMatchObject({ type: "/problems/subject-not-blocked", status: 409 });
      }
    }
    expect(
      await problemOf(post(`/subscriptions/${subscription}/blocked/user-1/skip`, { sequence: 0 })),
    ).toMatchObject({ type: "/problems/invalid-body", errors: [{ pointer: "/sequence" }] });
  });

  test("attempts are empty before the first", async () => {
    const { subscription } = await create();
    expect(await app.get<object>(`/subscriptions/${subscription}/attempts`)).toEqual({
      attempts: [],
      next: null,
    });
  });
});
