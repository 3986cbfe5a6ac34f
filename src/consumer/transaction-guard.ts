import { AsyncLocalStorage } from "node:async_hooks";

import type { ConsumerStore } from "./store.ts";

/**
 * A handler runs within a transaction of its store. It must not wait for work that waits for that transaction,
 * directly or through handlers of other stores: all of them would wait forever.
 */

/** A transaction that a handler runs in. */
interface OpenTransaction {
  readonly store: object;
  readonly consumer: string;
  isOpen: boolean;
  /** The transaction of another store that encloses this one. */
  readonly outer: OpenTransaction | undefined;
}

const current = new AsyncLocalStorage<OpenTransaction>();

/** A handler called a method that would wait for the transaction that the handler runs in. */
export class NestedConsumerError extends Error {
  override readonly name = "NestedConsumerError";

  constructor(asked: string, handling: string) {
    super(
      `A handler of the consumer ${JSON.stringify(handling)} uses ${asked}, which waits for the transaction that the handler runs in. Do it outside of handlers, or give the other consumer a store of its own, with connections of its own`,
    );
  }
}

/** Stores that handlers wait for, each with the handler's transaction. */
const waits = new Set<{ readonly from: OpenTransaction; readonly store: object }>();

/** A store, and all stores that the handlers of its open transactions wait for, directly or through others. */
function storesBehind(store: object): ReadonlySet<object> {
  const found = new Set([store]);
  for (const each of found) {
    for (const { from, store: awaited } of waits) if (from.isOpen && from.store === each) found.add(awaited);
  }
  return found;
}

/** The innermost open transaction around the caller. */
function openTransaction(): OpenTransaction | undefined {
  let open = current.getStore();
  while (open !== undefined && !open.isOpen) open = open.outer;
  return open;
}

/**
 * Throws a NestedConsumerError if the store, or one that its handlers wait for, has a transaction around the caller.
 * A store with several transactions runs out of connections when all of them wait for another one.
 */
function assertOutside(store: object, consumer: string): void {
  const behind = storesBehind(store);
  for (let open = current.getStore(); open !== undefined; open = open.outer) {
    if (open.isOpen && behind.has(open.store))
      throw new NestedConsumerError(`the consumer ${JSON.stringify(consumer)}`, open.consumer);
  }
}

/** The store as a consumer uses it, with a guard that rejects calls that could never end. */
export interface Guarded<Tx> {
  readonly store: ConsumerStore<Tx>;
  /** Rejects with a NestedConsumerError if the work would wait for the transaction around the call. */
  readonly outside: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

export function guardTransactions<Tx>(store: ConsumerStore<Tx>, consumer: string): Guarded<Tx> {
  const outside = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    const from = openTransaction();
    if (from === undefined) return work();
    assertOutside(store, consumer);
    const wait = { from, store };
    waits.add(wait);
    try {
      return await work();
    } finally {
      waits.delete(wait);
    }
  };
  return {
    outside,
    store: {
      sharesTransactions: store.sharesTransactions,
      transactions: store.transactions,
      prepare: () => outside(() => store.prepare()),
      transact: (work) =>
        outside(() =>
          store.transact(async (tx) => {
            const open: OpenTransaction = { store, consumer, isOpen: true, outer: current.getStore() };
            try {
              return await current.run(open, () => work(tx));
            } finally {
              open.isOpen = false;
            }
          }),
        ),
      lock: (tx, key, subjects) => store.lock(tx, key, subjects),
      saveSubjects: (tx, key, cursors) => store.saveSubjects(tx, key, cursors),
      saveFeed: (tx, key, changes) => store.saveFeed(tx, key, changes),
      replaceFeed: (tx, key, from, cursor) => store.replaceFeed(tx, key, from, cursor),
      readFeed: (key) => outside(() => store.readFeed(key)),
      readSubjects: (key, subjects) => outside(() => store.readSubjects(key, subjects)),
      listSubjects: (key, selection, after, limit) =>
        outside(() => store.listSubjects(key, selection, after, limit)),
    },
  };
}
