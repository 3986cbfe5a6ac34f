/** A part of a list. */
export interface ListPage<Entry> {
  readonly entries: readonly Entry[];
  readonly hasMore: boolean;
}

/** Returns the first entries of a list, which should be asked for one more than that per request. */
export async function takePage<Entry>(list: AsyncIterable<Entry>, size: number): Promise<ListPage<Entry>> {
  const entries: Entry[] = [];
  for await (const entry of list) {
    if (entries.length === size) return { entries, hasMore: true };
    entries.push(entry);
  }
  return { entries, hasMore: false };
}
