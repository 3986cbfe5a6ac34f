import { z } from "zod";

import type { Database, Row, Statement } from "../../storage/database.ts";
import { integerAt, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import {
  type BreakingChange,
  breakingChanges,
  breakingChangeText,
  type ContractSchemas,
} from "./compatibility.ts";
import type { Feed } from "../feed.ts";
import { withoutAnnotations, withoutGenerated } from "./json-schema.ts";
import { sameJson } from "./same-json.ts";

/*
 * Consumers of a published version rely on the contract under which it last published, not on the contract that a
 * server was started with. A release with a longer contract makes it the published one in the batch that first publishes by it.
 * Until then, and again after a rollback, a release with a shorter contract may project; once a longer
 * contract was published, it publishes only what that one allows (`contract.ts`).
 */

/** A published contract was changed in a way that its consumers may not survive. */
export class IncompatibleContractError extends Error {
  override readonly name = "IncompatibleContractError";
  readonly changes: readonly BreakingChange[];

  constructor({ path, version }: Feed, changes: readonly BreakingChange[]) {
    const lines = changes.map((change) => `\n  ${breakingChangeText(change)}`).join("");
    super(
      `The contract of ${path} is published, and may only grow:${lines}\n` +
        `Take the change back, or make it in a new version, such as ${version + 1}, beside this one.`,
    );
    this.changes = changes;
  }
}

/** A contract against the published one: grown (`newer`), `same`, or not yet grown to it (`older`). */
export type Standing = "newer" | "same" | "older";

/** A contract as it compared with the published one. */
export interface Contract {
  /** Grows with releases: the release with the highest projects. */
  readonly revision: number;
  /** Revision of the published contract. */
  readonly publishedRevision: number;
  readonly standing: Standing;
  /** Schemas that events have to match as well; null: the contract alone decides. */
  readonly publishedSchemas: ContractSchemas | null;
}

/** The library that generates JSON Schemas here. */
const { major, minor, patch } = z.core.version;
const GENERATOR = `zod ${major}.${minor}.${patch}`;

/** JSON text of the JSON Schemas that consumers of a feed may rely on: a draft has none. */
function contractText({ draft, schemas }: Feed): string {
  return JSON.stringify(draft ? {} : schemas);
}

/** The contract under which a version last published, as it is stored. */
export interface PublishedContract {
  readonly text: string;
  readonly revision: number;
  readonly generator: string | null;
}

/** SQL: the columns of the contract, of the rows `feed` and `log`. A feed that published nothing has an empty one. */
export const CONTRACT_COLUMNS = "iif(log.head = 0, '{}', feed.schemas), feed.promised, feed.generator";

/** Arguments: log id. */
export const SELECT_PUBLISHED_CONTRACT = `
select ${CONTRACT_COLUMNS} from feeds as feed cross join logs as log on log.id = feed.log where feed.log = ?1`;

export async function readPublishedContract(
  database: Database,
  log: LogAddress,
): Promise<PublishedContract | null> {
  const [row] = await database.read({ sql: SELECT_PUBLISHED_CONTRACT, args: [log.id] });
  return row === undefined ? null : publishedContractIn(row);
}

/** The contract in a row that begins with {@link CONTRACT_COLUMNS}. */
export function publishedContractIn(row: Row): PublishedContract {
  const generator = row[2];
  return {
    text: textAt(row, 0),
    revision: integerAt(row, 1),
    generator: typeof generator === "string" ? generator : null,
  };
}

function schemasOf(text: string): ContractSchemas {
  return JSON.parse(text) as ContractSchemas;
}

/** The same schemas without what another version of the generator may write differently. */
function comparable(schemas: ContractSchemas, { generator }: PublishedContract): ContractSchemas {
  return generator === GENERATOR
    ? schemas
    : Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, withoutGenerated(schema)]));
}

/** Compares the contract of a feed with the published one: its standing, or the changes that break the published one. */
export function compareWithPublished(
  feed: Feed,
  published: PublishedContract,
): { readonly standing: Standing } | { readonly changes: readonly BreakingChange[] } {
  const now = contractText(feed);
  if (now === published.text) return { standing: "same" };
  const [stored, defined] = [schemasOf(published.text), schemasOf(now)].map((each) =>
    comparable(each, published),
  );
  const changes = breakingChanges(stored ?? {}, defined ?? {});
  const isShorter = breakingChanges(defined ?? {}, stored ?? {}).length === 0;
  if (changes.length === 0) return { standing: isShorter ? "same" : "newer" };
  // A published version never becomes a draft again.
  return isShorter && !feed.draft ? { standing: "older" } : { changes };
}

/** Whether two contracts differ at most in texts for people. */
function haveSameRules(one: string, other: string): boolean {
  return sameJson(withoutAnnotations(schemasOf(one)), withoutAnnotations(schemasOf(other)));
}

const FIND_REVISION = "select max(revision) from feed_contracts where log = ?1 and schemas = ?2";

/** Arguments: log id, schemas. Another process may be first. */
const ADD_REVISION = `
insert into feed_contracts (log, revision, schemas)
select ?1, 1 + max(promised, coalesce((select max(revision) from feed_contracts where log = ?1), 0)), ?2
from feeds where log = ?1 and not exists (select 1 from feed_contracts where log = ?1 and schemas = ?2 and revision > promised)`;

/** Stores the revision of a contract when it is new. The rows of the last statement have it; see {@link revisionIn}. */
function revisionStatements(feed: Feed, log: LogAddress): readonly Statement[] {
  const args = [log.id, contractText(feed)];
  return [
    { sql: ADD_REVISION, args },
    { sql: FIND_REVISION, args },
  ];
}

/** The rows of each statement of a batch. */
type Written = readonly (readonly Row[])[];

function revisionIn(written: Written): number {
  return integerAt(written.at(-1)?.[0], 0);
}

/** The revision of a contract that grew out of the published one, beyond its revision; stored when it is new. */
export async function revisionOf(database: Database, feed: Feed, log: LogAddress): Promise<number> {
  return revisionIn(await database.write(revisionStatements(feed, log)));
}

/** A contract that was compared with the published one. */
export interface ComparedContract {
  /** To be written, in one batch. */
  readonly statements: readonly Statement[];
  /** Returns the contract, from the rows of each statement. */
  readonly written: (rows: Written) => Contract;
}

function unwritten(contract: Contract): ComparedContract {
  return { statements: [], written: () => contract };
}

/**
 * Compares the contract of a registered feed with the published one. Throws a {@link IncompatibleContractError} unless one of
 * the two is the other one grown.
 */
export function standingOf(feed: Feed, log: LogAddress, stored: PublishedContract): ComparedContract {
  const { text, revision: publishedRevision } = stored;
  if (feed.draft && text === "{}")
    return unwritten({
      revision: publishedRevision,
      publishedRevision,
      standing: "same",
      publishedSchemas: null,
    });
  const compared = compareWithPublished(feed, stored);
  if ("changes" in compared) throw new IncompatibleContractError(feed, compared.changes);
  const { standing } = compared;
  const now = contractText(feed);
  if (standing === "newer")
    return {
      statements: revisionStatements(feed, log),
      written: (rows) => ({
        revision: revisionIn(rows),
        publishedRevision,
        standing,
        publishedSchemas: null,
      }),
    };
  if (standing === "older")
    return unwritten({
      revision: publishedRevision - 1,
      publishedRevision,
      standing,
      publishedSchemas: schemasOf(text),
    });
  const isSame = now === text || haveSameRules(now, text);
  const publishedSchemas = isSame ? null : schemasOf(text);
  const contract: Contract = { revision: publishedRevision, publishedRevision, standing, publishedSchemas };
  if (!isSame || now === text) return unwritten(contract);
  const sql = "update feeds set schemas = ?2 where log = ?1 and schemas = ?3";
  return { statements: [{ sql, args: [log.id, now, text] }], written: () => contract };
}

/**
 * Makes a contract the published one. Part of a batch that publishes by it for the first time, or of one that publishes a
 * draft. `raisesEpoch`: other plans rest on the contract before. `definition`: only while this one is stored. The stored revision only
 * grows: a batch with a revision that is not beyond the stored one is refused, as one that is outdated.
 */
export function promotion(
  feed: Feed,
  log: LogAddress,
  revision: number,
  { raisesEpoch, definition = null }: { readonly raisesEpoch: boolean; readonly definition?: string | null },
): Statement {
  return {
    sql: `update feeds set schemas = ?2, promised = case when promised < ?3 then ?3 end, generator = ?4, epoch = epoch + ?5
      where log = ?1 and (?6 is null or (definition is ?6 and promised < ?3))`,
    args: [log.id, contractText(feed), revision, GENERATOR, raisesEpoch ? 1 : 0, definition],
  };
}
