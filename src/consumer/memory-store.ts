import type { ConsumerStore, FeedCursor, SubjectCursor, SubjectSelection } from "./store.ts";
import { compareNames } from "./name-order.ts";
import { createSerialQueue } from "./serial-queue.ts";

/** The transaction that handlers of a consumer in memory write to. It is undone when one of its handlers fails. */
export interface MemoryTransaction {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  delete(name: string): void;
}

/** A store for tests, and for state that is built again at each start. */
export interface MemoryStore extends ConsumerStore<MemoryTransaction> {
  /** Committed values. */
  readonly values: ReadonlyMap<string, unknown>;
}

/** A map whose changes can be undone. */
interface Layer<Value> {
  get(name: string): Value | undefined;
  set(name: string, value: Value | undefined): void;
  commit(): void;
}

function layerOver<Value>(committed: Map<string, Value>): Layer<Value> {
  const changed = new Map<string, Value | undefined>();
  return {
    get: (name) => (changed.has(name) ? changed.get(name) : committed.get(name)),
    set: (name, value) => void changed.set(name, value),
    commit() {
      for (const [name, value] of changed) {
        if (value === undefined) committed.delete(name);
        else committed.set(name, value);
      }
    },
  };
}

interface OpenTransaction extends MemoryTransaction {
  readonly subjects: Layer<SubjectCursor>;
  readonly feeds: Layer<FeedCursor>;
}

function subjectKey(key: string, subject: string): string {
  return `${key}\n${subject}`;
}

function isSelected(selection: SubjectSelection, { subject, status, identity }: SubjectCursor): boolean {
  if ("status" in selection) return status === selection.status;
  if ("notOf" in selection) return identity !== null && identity !== selection.notOf;
  return selection.upTo === null || compareNames(subject, selection.upTo) <= 0;
}

function isPresent<Value>(value: Value | undefined): value is Value {
  return value !== undefined;
}

/**
 * Creates a store whose content ends with the process.
 *
 * @example
 * ```ts
 * import { createConsumer, feed, memoryStore } from "kilde/consumer";
 *
 * const store = memoryStore();
 * const consumer = createConsumer({
 *   url: "http://127.0.0.1:4000",
 *   feed: feed("users/v1"),
 *   name: "user-names",
 *   store,
 *   handle: (event, tx) => tx.set(event.subject, event.data),
 * });
 * await consumer.ensure("user-1");
 * console.log(store.values.get("user-1"));
 * ```
 */
export function memoryStore(): MemoryStore {
  const values = new Map<string, unknown>();
  const subjects = new Map<string, SubjectCursor>();
  const feeds = new Map<string, FeedCursor>();
  const enqueue = createSerialQueue();
  const cursorsOf = (
    kept: { get(name: string): SubjectCursor | undefined },
    key: string,
    names: readonly string[],
  ) => names.map((name) => kept.get(subjectKey(key, name))).filter(isPresent);
  // This store created every transaction.
  const open = (tx: MemoryTransaction) => tx as OpenTransaction;

  return {
    sharesTransactions: true,
    transactions: 1,
    values,
    prepare: async () => {},
    transact: (work) =>
      enqueue(async () => {
        const layer = layerOver(values);
        const tx: OpenTransaction = {
          get: (name) => layer.get(name),
          set: (name, value) => layer.set(name, value),
          delete: (name) => layer.set(name, undefined),
          subjects: layerOver(subjects),
          feeds: layerOver(feeds),
        };
        const result = await work(tx);
        for (const each of [layer, tx.subjects, tx.feeds]) each.commit();
        return result;
      }),
    lock: async (tx, key, names) => cursorsOf(open(tx).subjects, key, names),
    async saveSubjects(tx, key, cursors) {
      for (const cursor of cursors) open(tx).subjects.set(subjectKey(key, cursor.subject), cursor);
    },
    async saveFeed(tx, key, { position = 0, since = 0, reconstitution, identity }) {
      const before = open(tx).feeds.get(key);
      if (before !== undefined && before.identity !== null && before.identity !== identity) return;
      open(tx).feeds.set(key, {
        identity,
        position: Math.max(position, before?.position ?? 0),
        since: Math.max(since, before?.since ?? 0),
        reconstitution: reconstitution ?? before?.reconstitution ?? null,
      });
    },
    async replaceFeed(tx, key, from, cursor) {
      if (open(tx).feeds.get(key)?.identity === from) open(tx).feeds.set(key, cursor);
    },
    readFeed: async (key) => feeds.get(key) ?? null,
    readSubjects: async (key, names) => cursorsOf(subjects, key, names),
    async listSubjects(key, selection, after, limit) {
      const found = [...subjects]
        .filter(([name, cursor]) => name === subjectKey(key, cursor.subject) && cursor.known > 0)
        .map(([, cursor]) => cursor)
        .filter((cursor) => isSelected(selection, cursor) && compareNames(cursor.subject, after) > 0);
      return found.toSorted((a, b) => compareNames(a.subject, b.subject)).slice(0, limit);
    },
  };
}
