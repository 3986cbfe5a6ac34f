import type { Database } from "../../storage/database.ts";
import type { ContractSchemas } from "./compatibility.ts";
import { type Feed, ProjectionError } from "../feed.ts";
import {
  compareWithPublished,
  type Contract,
  readPublishedContract,
  type Standing,
  type PublishedContract,
} from "./published-contract.ts";
import { isProjectedAsStored } from "./definition-record.ts";
import type { FeedRecord } from "../record.ts";
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
  /** Of its contract, to what is promised now. What a newer one publishes makes it the promise. */
  readonly standing: Standing;
}

/** Feeds as they project after the promise has changed, by their contract. */
const CHANGED = new WeakMap<
  Contract,
  { readonly promised: number; readonly projecting: ProjectingContract | null }
>();

/** The feed as it may project under a promise; null: the promise has what the feed has not. */
function projectingBy(feed: Feed, promise: PublishedContract): ProjectingContract | null {
  const compared = compareWithPublished(feed, promise);
  if ("changes" in compared) return null;
  const { standing } = compared;
  const isFree = feed.draft || standing === "newer";
  return { feed: isFree ? feed : boundBy(feed, JSON.parse(promise.text) as ContractSchemas), standing };
}

/**
 * The feed as this process may project it, under the promise that a record names: another release may have published by a
 * longer contract since this one was started. Null: this process cannot project it any more.
 */
export async function projectingUnder(
  database: Database,
  registered: RegisteredFeed,
  { promised }: Pick<FeedRecord, "promised">,
): Promise<ProjectingContract | null> {
  const { feed, log, contract } = registered;
  if (promised === contract.promised) return { feed, standing: contract.standing };
  if (!feed.draft && promised === contract.revision) return { feed, standing: "same" };
  const known = CHANGED.get(contract);
  if (known?.promised === promised) return known.projecting;
  const promise = await readPublishedContract(database, log);
  if (promise === null) return null;
  const isStored = await isProjectedAsStored(database, registered);
  const projecting = isStored ? projectingBy(feed, promise) : null;
  CHANGED.set(contract, { promised: promise.revision, projecting });
  return projecting;
}

/** The JSON ContractSchemas of a feed as consumers may rely on them now. */
export async function servedSchemas(
  database: Database,
  registered: RegisteredFeed,
): Promise<ContractSchemas> {
  const { feed, log, contract } = registered;
  const promise = await readPublishedContract(database, log);
  if (promise === null || feed.draft) return feed.schemas;
  const { revision } = promise;
  return revision === contract.promised || revision === contract.revision
    ? feed.schemas
    : (JSON.parse(promise.text) as ContractSchemas);
}
