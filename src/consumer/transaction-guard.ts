import { AsyncLocalStorage } from "node:async_hooks";

import type { ConsumerStore } from "./store.ts";

/*
 * A handler runs within a transaction of its store. What it waits for must not wait for that transaction: a store with one
 * transaction at a time would wait forever, and so would a consumer that is asked to handle an event within an event.
 */

/** A transaction that a handler runs in. */
interface OpenTransaction {
  readonly store: object;
  readonly consumer: string;
  isOpen: boolean;
  /** The transaction of another store that this one was opened in. */
  readonly outer: OpenTransaction | undefined;
}

const current = new AsyncLocalStorage<OpenTransaction>();

/** A handler asked for something that would wait for the transaction that it runs in. */
export class NestedConsumerError extends Error {
  override readonly name = "NestedConsumerError";

  constructor(asked: string, handling: string) {
    super(
      `A handler of the consumer ${JSON.stringify(handling)} uses ${asked}, which waits for the transaction that the handler runs in. Do it outside of handlers, or give the other consumer a store of its own`,
    );
  }
}

/** Throws a NestedConsumerError within a handler of the same consumer, or of one whose store has no other transaction. */
function assertOutside<Tx>(store: ConsumerStore<Tx>, consumer: string): void {
  for (let open = current.getStore(); open !== undefined; open = open.outer) {
    if (!open.isOpen || open.store !== store) continue;
    if (open.consumer === consumer || store.transactions === 1) {
      throw new NestedConsumerError(`the consumer ${JSON.stringify(consumer)}`, open.consumer);
    }
  }
}

/** The store as a consumer uses it, and what refuses to be called where it could never end. */
export interface Guarded<Tx> {
  readonly store: ConsumerStore<Tx>;
  /** Rejects with a NestedConsumerError where the work would wait for the transaction that it is called in. */
  readonly outside: <Result>(work: () => Promise<Result>) => Promise<Result>;
}

export function guardTransactions<Tx>(store: ConsumerStore<Tx>, consumer: string): Guarded<Tx> {
  const outside = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    assertOutside(store, consumer);
    return work();
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
