import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { readOfAll } from "../../storage/read-of-all.ts";
import type { ContractSchemas } from "./compatibility.ts";
import { type Feed, ProjectionError } from "../feed.ts";
import {
  compareWithPublished,
  type Contract,
  readPublishedContract,
  revisionOf,
  type Standing,
  type PublishedContract,
} from "./published-contract.ts";
import { isProjectedAsStored } from "./definition-record.ts";
import { type FeedRecord, readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { createSchemaJudge } from "./schema-judge.ts";

/** A feed that publishes only what other schemas allow as well. */
export function boundBy(feed: Feed, schemas: ContractSchemas): Feed {
  const judges = new Map(Object.entries(schemas).map(([type, schema]) => [type, createSchemaJudge(schema)]));
  return {
    ...feed,
    schemas,
    project(subject, event, state) {
      const projected = feed.project(subject, event, state);
      for (const { type, data } of projected.events) {
        const issues = judges.get(type)?.(JSON.parse(data));
        if (issues?.length === 0) continue;
        throw new ProjectionError(
          `What ${feed.path} published of type ${type} is not what its published contract allows, which this release does not have: ` +
            (issues?.map(({ pointer, detail }) => `${pointer} ${detail}`).join("; ") ??
              "there is no such type"),
          { position: event.position, subject },
          issues ?? [],
        );
      }
      return projected;
    },
  };
}

/** A feed as this process may project it now. */
export interface ProjectingContract {
  readonly feed: Feed;
  /** Of its contract, to the published one now. A newer contract becomes the published one when it publishes. */
  readonly standing: Standing;
  /** Of its contract, as {@link Contract.revision}. The revision of a newer one is beyond that of the published contract. */
  readonly revision: number;
}

/** Feeds as they project after the published contract has changed, by their contract. */
const CHANGED = new WeakMap<
  Contract,
  { readonly publishedRevision: number; readonly projecting: ProjectingContract | null }
>();

/** The feed as it may project under a published contract; null: it is incompatible with the feed's own. */
async function projectingBy(
  database: Database,
  { feed, log }: RegisteredFeed,
  published: PublishedContract,
): Promise<ProjectingContract | null> {
  const compared = compareWithPublished(feed, published);
  if ("changes" in compared) return null;
  const { standing } = compared;
  const isFree = feed.draft || standing === "newer";
  const revision =
    standing === "newer"
      ? await revisionOf(database, feed, log)
      : published.revision - (standing === "older" ? 1 : 0);
  return {
    feed: isFree ? feed : boundBy(feed, JSON.parse(published.text) as ContractSchemas),
    standing,
    revision,
  };
}

/**
 * The feed as this process may project it, under the published contract that a record names: another release may have published by a
 * longer contract since this one was started. Null: this process cannot project it any more.
 */
export async function projectingUnder(
  database: Database,
  registered: RegisteredFeed,
  { publishedRevision }: Pick<FeedRecord, "publishedRevision">,
): Promise<ProjectingContract | null> {
  const { feed, log, contract } = registered;
  const { revision } = contract;
  if (publishedRevision === contract.publishedRevision)
    return { feed, standing: contract.standing, revision };
  if (!feed.draft && publishedRevision === revision) return { feed, standing: "same", revision };
  const known = CHANGED.get(contract);
  if (known?.publishedRevision === publishedRevision) return known.projecting;
  const published = await readPublishedContract(database, log);
  if (published === null) return null;
  const isStored = await isProjectedAsStored(database, registered);
  const projecting = isStored ? await projectingBy(database, registered, published) : null;
  CHANGED.set(contract, { publishedRevision: published.revision, projecting });
  return projecting;
}

/**
 * Rank of the lease of this release. Events that another release has published since this one started may change it; 0 when
 * this process cannot project the feed any more.
 */
export async function currentRank(database: Database, registered: RegisteredFeed): Promise<number> {
  const record = await readFeed(database, registered.log);
  const projecting = record === null ? null : await projectingUnder(database, registered, record);
  return projecting?.revision ?? 0;
}

/**
 * The published contracts that differ from those that a feed knows. Arguments: JSON `[[log id, revision, another revision], …]`.
 */
export const SELECT_CHANGED_CONTRACTS = `
select feed.log, iif(log.head = 0, '{}', feed.schemas)
from json_each(?1) as known
cross join feeds as feed on feed.log = known.value ->> 0
cross join logs as log on log.id = feed.log
where feed.promised <> known.value ->> 1 and feed.promised <> known.value ->> 2`;

/** The JSON Schemas of feeds as consumers may rely on them now, from one query. */
export async function servedSchemas(
  database: Database,
  registered: readonly RegisteredFeed[],
): Promise<ReadonlyMap<RegisteredFeed, ContractSchemas>> {
  const known = registered
    .filter(({ feed }) => !feed.draft)
    .map(({ log, contract }) => [log.id, contract.publishedRevision, contract.revision]);
  const rows = await readOfAll(database, SELECT_CHANGED_CONTRACTS, known);
  const changed = new Map(rows.map((row) => [integerAt(row, 0), textAt(row, 1)]));
  return new Map(
    registered.map((one) => {
      const text = changed.get(one.log.id);
      return [one, text === undefined ? one.feed.schemas : (JSON.parse(text) as ContractSchemas)];
    }),
  );
}
