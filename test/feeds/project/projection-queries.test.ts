import { expect, test } from "bun:test";

import { CLEAR_FEED_SUBJECTS, CLEAR_ORIGINS } from "../../../src/feeds/lifecycle/clear.ts";
import { CLEAR_EVENTS, CLEAR_SUBJECTS } from "../../../src/log/erase/clear-log.ts";
import { DELETE_ORIGINS, SELECT_ERASED_ORIGINS } from "../../../src/feeds/erase/erase-origins.ts";
import { IS_REVISING, SELECT_SOURCE_STATE } from "../../../src/feeds/project/source-state.ts";
import {
  INSERT_AHEAD,
  IS_AHEAD_LEFT,
  LAST_IN_ORDER,
  SELECT_AHEAD,
} from "../../../src/feeds/project/merging.ts";
import { FIND_WORK } from "../../../src/feeds/project/has-work.ts";
import { INSERT_ORIGINS, MOVE_ORIGINS } from "../../../src/feeds/project/origins.ts";
import { REMOVE_PLACES, SELECT_PLACES, SUBJECTS_WITH_PLACES } from "../../../src/feeds/project/places.ts";
import { WIPE_VERSIONS } from "../../../src/log/erase/wipe-versions.ts";
import { SELECT_PROJECTED_FROM, TRACED_VERSION } from "../../../src/feeds/erase/tracing.ts";
import { NEXT_ERASED_RANGES, RECORD_ERASED_SUBJECTS } from "../../../src/log/erase/erased-ranges.ts";
import { INSERT_DATED_EVENTS, INSERT_SUBJECTS } from "../../../src/log/append/append-batch.ts";
import { SELECT_CHANGED_CONTRACTS } from "../../../src/feeds/contract/contract.ts";
import { FIND_UNTRACED, RESUME_FEED } from "../../../src/feeds/feeds.ts";
import { TAKE_LEASE } from "../../../src/storage/lease.ts";
import { SELECT_FEED } from "../../../src/feeds/record.ts";
import { BEGIN_CLEARING } from "../../../src/feeds/lifecycle/retire.ts";
import {
  contributionsRange,
  fittingRows,
  sourceRange,
  subjectRange,
} from "../../../src/feeds/project/source.ts";
import { rowsStatement } from "../../../src/feeds/project/source-rows.ts";
import { SELECT_FEED_STATES } from "../../../src/feeds/lifecycle/status.ts";
import { SELECT_FEED_SUBJECTS } from "../../../src/feeds/subjects.ts";
import { ADVANCE_FEED, HYDRATE_FEED, KEEP_SUBJECTS } from "../../../src/feeds/project/write.ts";
import type { Statement } from "../../../src/storage/database.ts";
import { logAddress } from "../../../src/log/keys.ts";
import { migrate } from "../../../src/log/migrate.ts";
import { openDatabase } from "../../../src/storage/open.ts";

const GROWING =
  /SCAN (events|event|subjects|subject|feed_subjects|kept|feeds|feed|leases|logs|log|feed_origins|origin|erased_ranges|erased|feed_revisions|revision|feed_places|place)\b(?! VIRTUAL)/;

test("no statement of projecting scans a table, or sorts what it reads", async () => {
  const database = openDatabase({ url: ":memory:" });
  await migrate(database);
  const log = logAddress(1, "/feeds/a/v1");
  const range = { after: 5, upTo: 50, limit: 10 };
  const sources = [[], ["a"], ["a", "b"]].map((prefixes) => ({ log: log.name, prefixes, types: ["T"] }));
  const statements: Statement[] = [
    ...sources
      .flatMap((source) => [
        sourceRange(log, source, range),
        subjectRange(log, source, { subjectId: 1, afterVersion: 2, upTo: 50, limit: 10 }),
      ])
      .flatMap((found) => [rowsStatement(found, null), fittingRows(found)]),
    { sql: SELECT_FEED, args: [1] },
    { sql: SELECT_FEED_SUBJECTS, args: [1, "[]"] },
    { sql: ADVANCE_FEED, args: [1, 1, 1, "live", null, 1, "a", "b", 1, 0, "[]", 1, 1, 1] },
    { sql: INSERT_AHEAD, args: [1, "[]"] },
    { sql: SELECT_AHEAD, args: [1, 1, 9] },
    { sql: IS_AHEAD_LEFT, args: [1, 1] },
    { sql: LAST_IN_ORDER, args: [0, 9, 1] },
    { sql: HYDRATE_FEED, args: [1, "a", 0, "b", "c", 1, null, 0, 0] },
    { sql: INSERT_SUBJECTS, args: [1, "[]"] },
    { sql: INSERT_DATED_EVENTS, args: [1, 0, null, "[]"] },
    { sql: KEEP_SUBJECTS, args: [1, "[]"] },
    { sql: TAKE_LEASE, args: ["a", "b", 1, 0, null, null, 0] },
    { sql: RESUME_FEED, args: [1] },
    { sql: BEGIN_CLEARING, args: [1, "retiring"] },
    { sql: CLEAR_EVENTS, args: [1, 2, 10] },
    { sql: CLEAR_FEED_SUBJECTS, args: [1, 10] },
    { sql: CLEAR_SUBJECTS, args: [1, 10] },
    { sql: SELECT_FEED_STATES, args: ["[[1, 0]]"] },
    { sql: SELECT_CHANGED_CONTRACTS, args: ["[[1, 1, 1]]"] },
    { sql: FIND_UNTRACED, args: ["[1]"] },
    { sql: FIND_WORK, args: ["[[1, 0, true]]"] },
    { sql: SELECT_SOURCE_STATE, args: [0] },
    { sql: IS_REVISING, args: [1] },
    { sql: NEXT_ERASED_RANGES, args: [0, 1, 5] },
    { sql: RECORD_ERASED_SUBJECTS, args: [0, 0, "[]"] },
    { sql: SELECT_ERASED_ORIGINS, args: [1, 1, 1, 9, 10] },
    { sql: DELETE_ORIGINS, args: ["[]"] },
    { sql: INSERT_ORIGINS, args: [1, 0, "[]"] },
    { sql: MOVE_ORIGINS, args: [1, 0, "[]"] },
    { sql: WIPE_VERSIONS, args: ["[]"] },
    rowsStatement(contributionsRange(log, { subjectId: 1, after: 1, limit: 10 }), null),
    { sql: SELECT_PLACES, args: [1, "[]"] },
    { sql: REMOVE_PLACES, args: [1, "a", 1] },
    { sql: SUBJECTS_WITH_PLACES, args: [1, 10] },
    { sql: TRACED_VERSION, args: [1, 1] },
    { sql: SELECT_PROJECTED_FROM, args: [1, 1, 10] },
    ...CLEAR_ORIGINS.map((text) => ({ sql: text, args: [1, 10] })),
  ];
  for (const { sql, args } of statements) {
    const rows = await database.read({ sql: `explain query plan ${sql}`, args });
    const plan = rows.map((row) => String(row[3])).join("\n");
    expect(plan).not.toMatch(GROWING);
    expect(plan).not.toContain("ORDER BY");
  }
  database.close();
});
