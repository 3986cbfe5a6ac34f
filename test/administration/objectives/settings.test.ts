import { expect, test } from "bun:test";

import { ConfigError } from "../../../src/config/config-error.ts";
import { objectivesOf } from "../../../src/config/objectives.ts";
import { resolveSettings } from "../../../src/config/resolve.ts";
import type { SettingValues } from "../../../src/config/settings.ts";

function resolved(objectives: unknown, feeds: readonly unknown[] = []): SettingValues {
  const value = { objectives, feeds };
  return resolveSettings({ flags: {}, environment: {}, file: { path: "kilde.config.ts", value } });
}

function problemsOf(objectives: unknown): readonly string[] {
  try {
    resolved(objectives);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("objectives are stated in durations, by name", () => {
  const { objectives } = resolved(
    {
      consumers: {
        cards: { lag: "30s", silent: "1h", contact: "#team-cards" },
        ledger: { log: "/feeds/users/v1", silent: "2m" },
      },
      feeds: { "users/v1": { lag: "5m" } },
      subscriptions: { sub_1: { silent: "7d" } },
    },
    [{ name: "users", version: 1 }],
  );
  const none = { log: null, lagSeconds: null, silentSeconds: null, contact: null };
  expect(objectivesOf(objectives, null)).toEqual([
    {
      kind: "consumer",
      name: "cards",
      log: null,
      lagSeconds: 30,
      silentSeconds: 3_600,
      contact: "#team-cards",
    },
    { ...none, kind: "consumer", name: "ledger", log: "/feeds/users/v1", silentSeconds: 120 },
    { ...none, kind: "feed", name: "/feeds/users/v1", lagSeconds: 300 },
    { ...none, kind: "subscription", name: "sub_1", silentSeconds: 604_800 },
  ]);
});

test("an objective that names a tenant is for the store of that tenant alone", () => {
  const value = {
    objectives: {
      consumers: { cards: { silent: "2m", tenant: "shop-a" }, ledger: { silent: "2m" } },
      subscriptions: { sub_1: { lag: "2m", tenant: "shop-b" } },
    },
    tenants: ["shop-a", "shop-b"].map((name) => ({ name, path: `/${name}`, databaseUrl: `file:${name}.db` })),
  };
  const { objectives } = resolveSettings({
    flags: {},
    environment: {},
    file: { path: "kilde.config.ts", value },
  });
  const namesIn = (tenant: string) => objectivesOf(objectives, tenant)?.map(({ name }) => name);
  expect([namesIn("shop-a"), namesIn("shop-b")]).toEqual([
    ["cards", "ledger"],
    ["ledger", "sub_1"],
  ]);
});

test("a configuration without objectives states none, and an empty one removes all", () => {
  expect(objectivesOf(resolved(undefined).objectives, null)).toBeNull();
  expect(objectivesOf(resolved({}).objectives, null)).toEqual([]);
});

const LAG = "must be a duration from 5s to 365d, such as 30s, 15m, 1h or 7d";
const MEMBERS = 'must be an object: { lag: "30s", silent: "1h", contact: "#team" }';

test.each([
  [5, "objectives: 5 must be an object: { consumers, feeds, subscriptions }"],
  [
    { consumer: {} },
    "objectives: has no member consumer; it must be an object: { consumers, feeds, subscriptions }",
  ],
  [{ consumers: [] }, "objectives.consumers: must be an object of objectives by name"],
  [{ consumers: { cards: {} } }, "objectives.consumers.cards: must state lag, silent, or both"],
  [{ consumers: { cards: { lag: 30 } } }, `objectives.consumers.cards.lag: 30 ${LAG}`],
  [{ consumers: { cards: { lag: "4s" } } }, `objectives.consumers.cards.lag: "4s" ${LAG}`],
  [{ consumers: { cards: { lag: "366d" } } }, `objectives.consumers.cards.lag: "366d" ${LAG}`],
  [
    { consumers: { cards: { silent: "1m" } } },
    `objectives.consumers.cards.silent: "1m" ${LAG.replace("5s", "2m")}`,
  ],
  [
    { consumers: { cards: { lag: "30s", log: "users" } } },
    'objectives.consumers.cards.log: "users" must be the path of a log, such as /events or /feeds/users/v1',
  ],
  [
    { subscriptions: { sub_1: { lag: "30s", contact: "" } } },
    'objectives.subscriptions.sub_1.contact: "" must be a text of 1 to 200 characters, such as #team-cards',
  ],
  [
    { subscriptions: { sub_1: { lag: "30s", log: "/events" } } },
    `objectives.subscriptions.sub_1: has no member log; it ${MEMBERS}`,
  ],
  [
    { feeds: { users: { lag: "30s" } } },
    "objectives.feeds.users: must be a feed and its version, such as users/v1",
  ],
  [
    { consumers: { cards: { lag: "30s", tenant: "shop-a" } } },
    "objectives.consumers.cards.tenant: no such tenant is configured",
  ],
  [
    { consumers: { cards: { lag: "30s", tenant: 5 } } },
    "objectives.consumers.cards.tenant: 5 must be the name of a tenant",
  ],
  [
    { consumers: { "a/../b": { lag: "30s" } } },
    'objectives.consumers.a/../b: must not have "." or ".." between slashes or backslashes',
  ],
  [{ feeds: { "users/v1": { lag: "30s" } } }, "objectives.feeds.users/v1: no such feed is configured"],
])("refuses %j with its fault", (objectives, fault) => {
  expect(problemsOf(objectives)).toEqual([`${fault} (kilde.config.ts)`]);
});

test("the number of objectives is bounded", () => {
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`c${n}`, { lag: "30s" }]));
  expect(problemsOf({ consumers: many(5_000) })).toEqual([]);
  expect(problemsOf({ consumers: many(4_000), subscriptions: many(1_001) })).toEqual([
    "objectives: must have at most 5000 objectives (kilde.config.ts)",
  ]);
});
