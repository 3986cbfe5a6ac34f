import { describe, expect, test } from "bun:test";

import type { Database } from "../../src/storage/database.ts";
import { examine, repair, SCHEMA, STRUCTURE } from "../../src/doctor/doctor.ts";
import { INVARIANTS } from "../../src/doctor/invariants.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { readSweepBacklog } from "../../src/log/erase/sweeper.ts";
import { openApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";

const TIME = "'2026-01-31T12:00:00.000Z'";

/** Records of a feed, a consumer and a subscription; this suite does not run the parts that write them. */
const RECORDS = [
  `insert into api_keys (id, digest, name, grants, created) values
    ('aaaaaaaaaaaa', lower(hex(zeroblob(32))), 'cards', '["read:/feeds/cards"]', 1),
    ('bbbbbbbbbbbb', replace(lower(hex(zeroblob(32))), '0', 'b'), 'loans', '["admin"]', 1)`,
  "insert into access_state (id, revision, secured) values (0, 7, 1)",
  `insert into logs (id, name, head, recorded) values (2, '/feeds/sums/v1', 1, ${TIME})`,
  `insert into feeds (log, name, version, status, cursor, target, started, schemas) values (2, 'sums', 1, 'live', 6, 6, ${TIME}, '{}')`,
  "insert into subjects (id, log, name) values (100, 2, 'sum')",
  `insert into events (key, subject, version, type, recorded, data) values ((2 << 40) + 1, 100, 1, 'Sum', ${TIME}, '3')`,
  "insert into feed_subjects (subject, state, projected) values (100, '3', 6)",
  "insert into feed_origins (subject, position, source, source_version, version, events) values (100, 1, 1, 1, 0, 1)",
  `insert into consumers (log, name, committed, sent, since, seen) values (0, 'reader', 5, 6, ${TIME}, ${TIME})`,
  `insert into subscriptions (id, log, config, secrets, created, since, cursor) values ('s', 0, '{}', '{}', ${TIME}, ${TIME}, 6)`,
  "insert into subscription_subjects (subscription, subject, next) select 's', id, 2 from subjects where name = 'a'",
  "insert into subscription_attempts (subscription, attempts) values ('s', '[]')",
  `insert into kept_attempts (subscription, failed, subjects, ended, duration, webhook, positions, prefix, url, headers)
    values ('s', 0, '[]', 1, 1, 'w', '[]', '', 'https://a.test/', '{}')`,
  `update events set extensions = '{"correlationid":"order-1"}' where key = 2`,
  "insert into event_correlations (correlation, position) values ('order-1', 2)",
  "insert into correlation_progress (log, position) values (0, 6)",
  `insert into objectives (kind, name, lag, since) values ('consumer', 'reader', 30, ${TIME})`,
  `insert into objective_states (kind, name, resource, measure, missed, since, position)
    values ('consumer', 'reader', '/events/consumers/reader', 'lag', 1, ${TIME}, 1)`,
  // As an append by a sender with a name stores its key.
  "insert into idempotency select null, 'cards' || char(31) || key, fingerprint, base, results, recorded from idempotency",
];

/** A sound store: streams a (3 events), b (2) and c (erased), an idempotency key, a feed and its readers. */
async function openSound(): Promise<{ database: Database; close: () => Promise<void> }> {
  const database = openDatabase({ url: ":memory:" });
  const app = await openApp({ database });
  await app.append("a", { type: "T", data: 1 }, { type: "T", data: "x\u0000y" }, { type: "T" });
  await app.fetch("/streams/b", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": "key" },
    body: JSON.stringify({ events: [{ type: "T", time: "2026-01-31T12:00:00+15:30" }, { type: "T" }] }),
  });
  await app.append("c", { type: "T", data: 1 });
  await app.fetch("/streams/c?reason=asked", { method: "DELETE" });
  // The sweep of the erasure would change what the tests damage.
  await eventually(async () => (await readSweepBacklog(database)).erasures === 0);
  await database.write(RECORDS.map((sql) => ({ sql, args: [] })));
  return { database, close: () => app.close() };
}

/** Damage made without Kilde, and the check that reports it. */
const CORRUPTIONS: readonly (readonly [name: string, sql: string, check: string])[] = [
  ["an invalid digest", "update api_keys set digest = 'x' where name = 'cards'", "keys are complete"],
  [
    "grants that are no texts",
    "update api_keys set grants = '[1]' where name = 'cards'",
    "keys are complete",
  ],
  [
    "a time that is a text",
    "update api_keys set revoked = 'yesterday' where name = 'cards'",
    "keys are complete",
  ],
  [
    "two keys of one digest",
    "update api_keys set digest = (select max(digest) from api_keys)",
    "keys have their digest alone",
  ],
  ["two keys of one name", "update api_keys set name = 'cards'", "keys that never end have their name alone"],
  [
    "keys of a store that is not secured",
    "update access_state set secured = 0",
    "a store that has had a key is secured",
  ],
  ["keys without a revision", "delete from access_state", "a store that has had a key is secured"],
  ["a lost event", "delete from events where key = 2", "versions are gapless"],
  ["a version that was moved", "update events set version = 9 where key = 3", "versions are gapless"],
  ["a lost last event", "delete from events where key = 7", "heads are the last positions"],
  ["a head that is behind", "update logs set head = 5 where id = 0", "heads are the last positions"],
  ["a head that is ahead", "update logs set head = 9 where id = 0", "positions are gapless"],
  ["positions out of order", "update events set key = 99 where key = 1", "versions are in order of position"],
  ["a position below zero", "update events set key = -5 where key = 1", "events have a position in a log"],
  [
    "a position of no log",
    "update events set key = 7 << 40 where key = 1",
    "events have a position in a log",
  ],
  ["an event of no subject", "update events set subject = 77 where key = 7", "events have a subject"],
  [
    "an event in another log",
    "update subjects set log = 2 where name = 'a'",
    "events are in their subject's log",
  ],
  ["a version below one", "update events set version = -1 where key = 1", "events have a version"],
  [
    "a control character in a type",
    "update events set type = 'T' || char(7) where key = 1",
    "types of events are names",
  ],
  ["data that is not JSON", "update events set data = '{no json' where key = 1", "data of events is JSON"],
  ["empty data", "update events set data = '' where key = 1", "data of events is on one line"],
  [
    "a line break",
    "update events set data = '[' || char(10) || '1]' where key = 1",
    "data of events is on one line",
  ],
  [
    "a carriage return",
    "update events set data = '[' || char(13) || '1]' where key = 1",
    "data of events is on one line",
  ],
  ["data that is bytes", "update events set data = x'31' where key = 1", "data of events is JSON"],
  [
    "extensions that are not JSON",
    "update events set extensions = 'x' where key = 1",
    "extensions of events are JSON objects",
  ],
  [
    "extensions that are a list",
    "update events set extensions = '[]' where key = 1",
    "extensions of events are JSON objects",
  ],
  [
    "an invalid recorded time",
    "update events set recorded = '2026-02-30T00:00:00.000Z' where key = 7",
    "times of events are valid",
  ],
  ["an invalid time", "update events set time = 'yesterday' where key = 1", "times of events are valid"],
  [
    "a time without an offset",
    "update events set time = '2026-01-31T12:00:00' where key = 1",
    "times of events are valid",
  ],
  [
    "time that runs backwards",
    "update events set recorded = '2000-01-01T00:00:00.000Z' where key = 4",
    "recorded times only grow",
  ],
  ["an unmarked tombstone", "update subjects set erased = null where name = 'c'", "tombstones are marked"],
  [
    "a tombstone that hides nothing",
    "update subjects set first_version = 1 where name = 'c'",
    "tombstones hide erased events",
  ],
  [
    "a mark without a tombstone",
    "update subjects set erased = 1 where name = 'a'",
    "erased subjects end with their tombstone",
  ],
  [
    "a first version beyond the end",
    "update subjects set first_version = 4 where name = 'a'",
    "first versions are those of an event",
  ],
  [
    "a first version of zero",
    "update subjects set first_version = 0 where name = 'a'",
    "first versions are those of an event",
  ],
  [
    "unswept data",
    "update subjects set first_version = 2 where name = 'a'",
    "truncated events wait for the sweep",
  ],
  [
    "a subject without events",
    "insert into subjects (log, name) values (0, 'ghost')",
    "subjects have events",
  ],
  [
    "a control character in a name",
    "update subjects set name = 'a' || char(10) where name = 'a'",
    "names of subjects are names",
  ],
  [
    "NUL in a name",
    "update subjects set name = cast(x'610062' as text) where name = 'a'",
    "names of subjects are names",
  ],
  [
    "a name that is not UTF-8",
    "update subjects set name = cast(x'ff07' as text) where name = 'a'",
    "names of subjects are names",
  ],
  ["a renamed event log", "update logs set name = '/other' where id = 0", "logs have their names"],
  ["a renamed feed", "update logs set name = '/feeds/sums/v2' where id = 2", "logs have their names"],
  [
    "a renamed log of administration",
    "update logs set name = '/other' where id = 1",
    "logs have their names",
  ],
  ["a lost log of administration", "delete from logs where id = 1", "the log of administration exists"],
  ["a log of nothing", "insert into logs (id, name) values (5, '/feeds/lost/v1')", "logs are of a feed"],
  [
    "a log that is behind its events",
    "update logs set recorded = '2000-01-01T00:00:00.000Z' where id = 0",
    "logs know the time of their last event",
  ],
  ["a log without identity", "update logs set identity = 'x' where id = 0", "logs have an identity"],
  [
    "a lineage beyond the head",
    "insert into log_lineage values (0, '0123456789abcdef', 8)",
    "logs have an identity",
  ],
  [
    "an erasure generation beyond the head",
    "update erasure_generations set chunk = 5",
    "erasure generations are of their log",
  ],
  [
    "an erasure generation that was not raised",
    "update erasure_generations set generation = 0",
    "erasure generations are of their log",
  ],
  ["an erasure beyond the head", "update erasures set position = 8", "erasures are of their log"],
  [
    "an answer that is not JSON",
    "update idempotency set results = 'x'",
    "idempotency keys have their answer",
  ],
  ["an invalid answer", `update idempotency set results = '[["b",1]]'`, "idempotency keys have their answer"],
  [
    "a key of two senders",
    "update idempotency set key = 'a' || char(31) || key where key glob 'cards*'",
    "idempotency keys have their answer",
  ],
  ["an answer beyond the head", "update idempotency set base = 7", "idempotency keys have their answer"],
  ["a consumer beyond the head", "update consumers set committed = 8", "consumers are within their log"],
  ["a consumer before the start", "update consumers set sent = -1", "consumers are within their log"],
  [
    "a consumer whose failure is not JSON",
    "update consumers set failure = '{'",
    "consumers report failures in JSON",
  ],
  [
    "a consumer with less than nothing blocked",
    "update consumers set blocked = -1",
    "consumers report failures in JSON",
  ],
  [
    "samples of lag that are not JSON",
    "insert into consumer_lag (hour, log, name, samples) values (1, 0, 'cards', '{')",
    "samples of the lag of consumers are in JSON",
  ],
  ["a consumer at no time", "update consumers set seen = 'now'", "consumers have names and times"],
  ["a reference to nothing", "update consumers set log = 9", "references lead somewhere"],
  ["a feed beyond its source", "update feeds set cursor = 99", "feeds are within their source"],
  ["a feed of another status", "update feeds set status = 'happy'", "feeds have a record that can be read"],
  [
    "a negative count of hydrations",
    "update feeds set hydrations = -1",
    "feeds have a record that can be read",
  ],
  [
    "a feed with schemas that are not JSON",
    "update feeds set schemas = '{'",
    "feeds have a record that can be read",
  ],
  [
    "a negative revision of a published contract",
    "update feeds set promised = -1",
    "feeds have a record that can be read",
  ],
  [
    "a definition that is not JSON",
    "update feeds set definition = '{'",
    "feeds have a record that can be read",
  ],
  [
    "an event ahead that is not there",
    "insert into feed_ahead (log, position, origin) values (2, 99, 1)",
    "events ahead are of a feed",
  ],
  [
    "a contract of no feed",
    "insert into feed_contracts (log, revision, schemas) values (0, 1, '{}')",
    "contracts are of feeds",
  ],
  [
    "a state that is not JSON",
    "update feed_subjects set state = '{'",
    "subjects of feeds have a state that can be read",
  ],
  [
    "a state of a stream",
    "insert into feed_subjects (subject) select id from subjects where name = 'b'",
    "states are of subjects of feeds",
  ],
  [
    "an origin of an unpublished event",
    "update feed_origins set events = 5",
    "origins belong to published events",
  ],
  [
    "an erased range beyond the head",
    "update erased_ranges set position = 99",
    "erased ranges are of their log",
  ],
  [
    "a revision of another feed",
    `insert into feed_revisions (subject, log, since, low, wiped, origin, recorded) values (100, 0, 1, 0, 0, 7, ${TIME})`,
    "revisions are of subjects of their feed",
  ],
  [
    "a place in a feed that is live",
    `insert into feed_places (log, name, version, type, recorded, extensions) values (2, 'sum', 1, 'T', ${TIME}, '{}')`,
    "places are of feeds that are built",
  ],
  [
    "a subscription beyond the head",
    "update subscriptions set cursor = 8",
    "subscriptions are within their log",
  ],
  ["a subscription that cannot be read", "update subscriptions set batch = '['", "subscriptions can be read"],
  [
    "attempts that cannot be read",
    "update subscription_attempts set attempts = '{}'",
    "attempts can be read",
  ],
  ["an objective whose limit is a text", "update objectives set lag = 'soon'", "objectives can be read"],
  [
    "the state of an objective beyond the log",
    "update objective_states set position = 99",
    "states of objectives are within the log of administration",
  ],
  [
    "a kept attempt that cannot be read",
    "update kept_attempts set headers = '['",
    "kept attempts can be read",
  ],
  [
    "a delivery from a version beyond the last",
    "update subscription_subjects set next = 9",
    "subjects of subscriptions are within their log",
  ],
  [
    "a correlation that no event has",
    "insert into event_correlations (correlation, position) values ('order-2', 2)",
    "indexed correlations are of events",
  ],
  [
    "a correlation of an event that is gone",
    "insert into event_correlations (correlation, position) values ('order-1', 99)",
    "indexed correlations are of events",
  ],
  [
    "correlations that are indexed beyond the head",
    "update correlation_progress set position = 99",
    "correlations are indexed up to a position of their log",
  ],
  [
    "a correlation that is not indexed",
    "delete from event_correlations",
    "correlations of events are indexed",
  ],
  ["a dropped unique index", "drop index events_subject_version", SCHEMA],
  ["a dropped index", "drop index subscription_subjects_due", SCHEMA],
  [
    "an index that is not unique any more",
    "drop index subjects_log_name; create index subjects_log_name on subjects (log, name)",
    SCHEMA,
  ],
  ["a dropped table", "drop table leases", SCHEMA],
  ["a dropped column", "alter table consumers drop column failure", SCHEMA],
  ["a dropped trigger", "drop trigger logs_identity", SCHEMA],
];

async function corrupt(database: Database, sql: string): Promise<void> {
  await database.read({ sql: "pragma foreign_keys = off", args: [] });
  await database.write(sql.split(";").map((statement) => ({ sql: statement, args: [] })));
}

describe("doctor", () => {
  test("finds nothing in a sound store, and repairs nothing", async () => {
    const { database, close } = await openSound();
    expect(await examine(database)).toEqual([]);
    expect(await repair(database)).toEqual([]);
    await close();
  });

  for (const [name, sql, check] of CORRUPTIONS) {
    test(`finds ${name}`, async () => {
      const { database, close } = await openSound();
      await corrupt(database, sql);
      const findings = await examine(database);
      expect(findings.map((finding) => finding.check)).toContain(check);
      for (const { detail, remedy } of findings) {
        // oxlint-disable-next-line no-control-regex
        expect(detail).not.toMatch(/[\u0000-\u001f\u007f]/);
        expect(remedy).toEndWith(".");
      }
      await close();
    });
  }

  test("repairs each fault that it reports as repairable, and leaves every other one for a backup", async () => {
    let repairable = 0;
    for (const [name, sql] of CORRUPTIONS) {
      const { database, close } = await openSound();
      await corrupt(database, sql);
      const before = await examine(database);
      await repair(database);
      const after = new Set((await examine(database)).map(({ check, detail }) => `${check}: ${detail}`));
      for (const { check, detail, remedy } of before) {
        if (!remedy.includes("--repair")) continue;
        repairable += 1;
        expect([name, after.has(`${check}: ${detail}`)]).toEqual([name, false]);
      }
      await close();
    }
    expect(repairable).toBeGreaterThan(10);
  });

  test("has a corruption for every invariant", () => {
    const covered = new Set(CORRUPTIONS.map(([, , check]) => check));
    const names = [...INVARIANTS.map(({ name }) => name), SCHEMA];
    expect(names.filter((name) => !covered.has(name))).toEqual([]);
    expect(new Set([...names, STRUCTURE]).size).toBe(names.length + 1);
  });

  test("lists the first violations of a rule, and counts the others", async () => {
    const { database, close } = await openSound();
    await database.write([
      {
        sql: `insert into subjects (log, name)
          with recursive n (i) as (values (1) union all select i + 1 from n where i < 25000) select 0, 'ghost-' || i from n`,
        args: [],
      },
    ]);
    const ghosts = (await examine(database)).filter(({ check }) => check === "subjects have events");
    expect(ghosts).toHaveLength(21);
    expect(ghosts.at(-1)?.detail).toBe("and 24,980 more");
    await close();
  });
});
