import { batch, type ReadonlySignal, type Signal, signal } from "@preact/signals";

import type { StoreChanges } from "../../client/store-types.ts";
import { changedTopics, CONNECTION_TOPIC } from "./topics.ts";

/**
 * `live`: the page is notified of changes; `offline`: the connection is lost, and is tried again; `ended`: the server refuses
 * to report changes.
 */
export type LiveStatus = "connecting" | "live" | "offline" | "ended";

/** The changes of the store, as they happen. */
export interface Live {
  readonly status: ReadonlySignal<LiveStatus>;
  /** A number that grows with each change of a topic: a log's path, or a topic of `topics.ts`. */
  revision(topic: string): ReadonlySignal<number>;
  /** Head of a log; undefined until a change of it was reported. */
  head(log: string): ReadonlySignal<number | undefined>;
}

/** A `Live` that is fed with changes. */
export interface FedLive extends Live {
  setStatus(status: LiveStatus): void;
  apply(changes: StoreChanges): void;
  /** Counts everything as changed, after a connection that may have missed changes. */
  changeAll(): void;
}

function entryOf<Value>(map: Map<string, Signal<Value>>, key: string, initial: Value): Signal<Value> {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = signal(initial);
  map.set(key, created);
  return created;
}

export function createFedLive(): FedLive {
  const status = signal<LiveStatus>("connecting");
  const revisions = new Map<string, Signal<number>>();
  const heads = new Map<string, Signal<number | undefined>>();
  return {
    status,
    revision: (topic) => entryOf(revisions, topic, 0),
    head: (log) => entryOf<number | undefined>(heads, log, undefined),
    setStatus(next) {
      const isBack = status.peek() === "offline" && next === "live";
      status.value = next;
      if (isBack) entryOf(revisions, CONNECTION_TOPIC, 0).value += 1;
    },
    apply(changes) {
      batch(() => {
        for (const [log, head] of Object.entries(changes.logs ?? {})) {
          entryOf<number | undefined>(heads, log, undefined).value = head;
        }
        for (const topic of changedTopics(changes)) entryOf(revisions, topic, 0).value += 1;
      });
    },
    changeAll() {
      batch(() => {
        for (const [topic, revision] of revisions) if (topic !== CONNECTION_TOPIC) revision.value += 1;
      });
    },
  };
}
