import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { systemClock } from "../../src/core/system-clock.ts";
import type { Database } from "../../src/storage/database.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { renewIdentities } from "../../src/backup/renew-identities.ts";
import { inheritedLineage, type LogLineage, readIdentities } from "../../src/log/identity.ts";
import { migrate } from "../../src/log/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { newDatabase } from "../support/new-database.ts";

const IDENTITY = /^[0-9a-f]{16}$/;

async function withDatabase(use: (database: Database) => Promise<void>): Promise<void> {
  const database = await newDatabase();
  try {
    await migrate(database);
    await use(database);
  } finally {
    database.close();
  }
}

const setHead = (database: Database, head: number) =>
  database.write([{ sql: "update logs set head = ? where id = 0", args: [head] }]);

describe("identities", () => {
  test("every log has one of its own from the moment it is made", () =>
    withDatabase(async (database) => {
      await database.write([{ sql: "insert into logs (name) values ('/feeds/a/v1')", args: [] }]);
      const histories = await readIdentities(database);
      expect(histories.map(({ log, head, former }) => ({ log, head, former }))).toEqual([
        { log: "/events", head: 0, former: [] },
        { log: "/operations", head: 0, former: [] },
        { log: "/feeds/a/v1", head: 0, former: [] },
      ]);
      for (const { identity } of histories) expect(identity).toMatch(IDENTITY);
      expect(new Set(histories.map(({ identity }) => identity)).size).toBe(3);
    }));

  test("a store of an earlier version gives none, and has them once it is migrated", async () => {
    const database = openDatabase({ url: ":memory:" });
    const index = MIGRATIONS.findIndex(({ tag }) => tag.endsWith("log_identity"));
    const apply = ({ text }: { text: string }) =>
      database.write(text.split("--> statement-breakpoint").map((sql) => ({ sql, args: [] })));
    for (const migration of MIGRATIONS.slice(0, index)) await apply(migration);
    await database.write([
      { sql: "insert into logs (id, name) values (0, '/events'), (1, '/feeds/a/v1')", args: [] },
    ]);
    expect(await readIdentities(database)).toEqual([]);
    for (const migration of MIGRATIONS.slice(index)) await apply(migration);
    const identities = (await readIdentities(database)).map(({ identity }) => identity);
    for (const identity of identities) expect(identity).toMatch(IDENTITY);
    expect(new Set(identities).size).toBe(3);
    database.close();
  });

  test("a renewal records the former identity with the head, and keeps the earlier ones", () =>
    withDatabase(async (database) => {
      const [first] = await readIdentities(database);
      await setHead(database, 5);
      const [second] = await renewIdentities(database, systemClock);
      expect(second).toEqual({
        log: "/events",
        identity: expect.stringMatching(IDENTITY) as string,
        head: 5,
        former: [{ identity: first?.identity ?? "", parted: 5 }],
      });
      await setHead(database, 9);
      const [third] = await renewIdentities(database, systemClock);
      expect(third?.former).toEqual([
        { identity: second?.identity ?? "", parted: 9 },
        { identity: first?.identity ?? "", parted: 5 },
      ]);
      expect(await database.read({ sql: "select epoch from feeds", args: [] })).toEqual([]);
    }));

  test("a renewal takes over the lineage of a replaced store, up to its own head", () =>
    withDatabase(async (database) => {
      const [restored] = await readIdentities(database);
      const own = restored?.identity ?? "";
      await setHead(database, 3);
      const replaced: LogLineage = {
        log: "/events",
        identity: "b".repeat(16),
        head: 20,
        former: [
          { identity: own, parted: 7 },
          { identity: "c".repeat(16), parted: 2 },
        ],
      };
      const [renewed] = await renewIdentities(database, systemClock, [
        replaced,
        { ...replaced, log: "/feeds/gone/v1" },
      ]);
      expect(renewed?.former).toEqual(
        [
          { identity: own, parted: 3 },
          { identity: "b".repeat(16), parted: 3 },
          { identity: "c".repeat(16), parted: 2 },
        ].toSorted((a, b) => b.parted - a.parted || (a.identity < b.identity ? -1 : 1)),
      );
    }));

  test("a renewal leaves a store that doctor finds sound", () =>
    withDatabase(async (database) => {
      await renewIdentities(database, systemClock);
      expect(await examine(database)).toEqual([]);
    }));
});

/** A store of the model: the events of one log, each with a name of its own. */
interface ModelStore {
  readonly events: readonly number[];
  readonly history: LogLineage;
}

type Action =
  | { readonly kind: "append"; readonly store: number; readonly count: number }
  | { readonly kind: "back up"; readonly store: number }
  | { readonly kind: "restore"; readonly backup: number; readonly over: number | null };

const store = fc.nat({ max: 3 });
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ kind: fc.constant("append" as const), store, count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ kind: fc.constant("back up" as const), store }),
  fc.record({
    kind: fc.constant("restore" as const),
    backup: fc.nat({ max: 20 }),
    over: fc.option(store, { nil: null }),
  }),
);

/** The histories that a restore makes, as `renewIdentities` does in SQL. */
function restoredOver(backup: ModelStore, replaced: ModelStore | null, identity: string): ModelStore {
  const { history, events } = backup;
  const inherited = replaced === null ? [] : inheritedLineage(history, replaced.history);
  const former = [{ identity: history.identity, parted: history.head }, ...history.former, ...inherited];
  return { events, history: { ...history, identity, former } };
}

test("no cursor that the lineage accepts stands for another event than it did when it was given", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40, size: "max" }), (actions) => {
      let lastEvent = 0;
      let lastIdentity = 0;
      const named = () => (lastIdentity += 1).toString(16).padStart(16, "0");
      const empty = (identity: string): ModelStore => ({
        events: [],
        history: { log: "/events", identity, head: 0, former: [] },
      });
      const origin = named();
      const stores = Array.from({ length: 4 }, () => empty(origin)).map((one, index) =>
        index === 0 ? one : empty(named()),
      );
      const backups: ModelStore[] = [];
      /** The cursors that a reader may hold: the event at a position of a log that had an identity. */
      const given = new Map<string, number>();
      for (const one of actions) {
        if (one.kind === "append") {
          const { events, history } = stores[one.store] ?? empty("");
          const added = Array.from({ length: one.count }, () => (lastEvent += 1));
          const all = [...events, ...added];
          stores[one.store] = { events: all, history: { ...history, head: all.length } };
        } else if (one.kind === "back up") {
          backups.push(stores[one.store] ?? empty(""));
        } else {
          const backup = backups[one.backup % Math.max(1, backups.length)];
          if (backup === undefined) continue;
          const replaced = one.over === null ? null : (stores[one.over] ?? null);
          stores[one.over ?? 0] = restoredOver(backup, replaced, named());
        }
        for (const { events, history } of stores) {
          for (const [index, event] of events.entries()) {
            const cursor = `${index + 1}-${history.identity}`;
            expect(given.get(cursor) ?? event).toBe(event);
            given.set(cursor, event);
          }
          for (const { identity, parted } of history.former) {
            expect(parted).toBeLessThanOrEqual(history.head);
            for (let position = 1; position <= parted; position += 1) {
              const event = given.get(`${position}-${identity}`);
              if (event !== undefined) expect(events[position - 1]).toBe(event);
            }
          }
        }
      }
    }),
    { numRuns: 3_000 },
  );
});
