import { logPath } from "../client/read.ts";
import { admitNew, admitOld, notOf } from "./admission.ts";
import type { ConsumerOptions, MigrateFrom } from "./consumer.ts";
import { noCounts } from "./counts.ts";
import type { ConsumerDeps } from "./deps.ts";
import { createEngine } from "./engine.ts";
import type { EngineOptions } from "./engine-types.ts";
import { type HandleSpanOptions, handleInSpan } from "./handle-span.ts";
import { createHistory } from "./history.ts";
import { firstUnreached } from "./migrate.ts";
import type { Side } from "./side.ts";
import type { ConsumerEvent, EventTypes, FeedReference } from "./types.ts";

/** Dependencies that both versions of a migrating consumer share. */
export type SharedDeps<Tx> = Pick<ConsumerDeps<Tx>, "client" | "store" | "report" | "clock" | "random">;

export interface Sides<Tx> {
  /** The version to consume. */
  readonly current: Side<Tx>;
  /** The version that the consumer migrates from; null: it does not migrate. */
  readonly previous: Side<Tx> | null;
}

/** The key under which the store keeps a consumer's cursors of a feed. */
function keyOf(name: string, { log }: FeedReference): string {
  return `${name} ${log ?? "events"}`;
}

function spanNames(
  { name: consumer, url }: { readonly name: string; readonly url: string },
  { log }: FeedReference,
): HandleSpanOptions {
  return { consumer, url, log: logPath(log ?? undefined) };
}

/** Creates the engine of a consumer's feed, and that of the version that it migrates from. */
export function createSides<Types extends EventTypes, Tx, OldTypes extends EventTypes>(
  options: ConsumerOptions<Types, Tx, OldTypes>,
  shared: SharedDeps<Tx>,
  engineOptions: EngineOptions,
): Sides<Tx> {
  const { name, feed, migrateFrom, reset = null } = options;
  const { client, store } = shared;
  const key = keyOf(name, feed);
  const oldKey = migrateFrom === undefined ? null : keyOf(name, migrateFrom.feed);
  const deps: ConsumerDeps<Tx> = {
    ...shared,
    key,
    log: feed.log,
    history: createHistory({ client, log: feed.log }),
    counts: noCounts(),
    reset,
    successor: null,
    // The types rely on the feed to match its contract.
    handle: (event, tx) =>
      handleInSpan(spanNames(options, feed), event, () => options.handle(event as ConsumerEvent<Types>, tx)),
    admit: oldKey === null ? async (_tx, names) => new Set(names) : admitNew(store, oldKey),
    concerns: oldKey === null ? async (names) => new Set(names) : notOf(store, oldKey),
    firstUnreached: async (subject) => (previous === null ? null : firstUnreached(previous, subject)),
  };
  const current: Side<Tx> = { deps, engine: createEngine(deps, engineOptions) };

  const sideBefore = (from: MigrateFrom<OldTypes, Tx>, its: string): Side<Tx> => {
    const oldDeps: ConsumerDeps<Tx> = {
      ...shared,
      key: its,
      log: from.feed.log,
      history: createHistory({ client, log: from.feed.log }),
      counts: noCounts(),
      reset: from.reset ?? null,
      successor: { key, reset, learn: (cursors) => current.engine.blocked.learn(cursors) },
      handle: (event, tx) =>
        handleInSpan(spanNames(options, from.feed), event, () =>
          from.handle(event as ConsumerEvent<OldTypes>, tx),
        ),
      admit: admitOld(store, key),
      concerns: notOf(store, key),
      firstUnreached: async () => null,
    };
    const transport = engineOptions.transport === "push" ? "sse" : engineOptions.transport;
    return { deps: oldDeps, engine: createEngine(oldDeps, { ...engineOptions, transport }) };
  };

  const previous = migrateFrom === undefined || oldKey === null ? null : sideBefore(migrateFrom, oldKey);
  return { current, previous };
}
