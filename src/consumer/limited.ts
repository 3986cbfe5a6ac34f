/** Runs work for each item, a limited number at a time. Rejects with the first failure, after all have ended. */
export async function eachOf<Item>(
  items: Iterable<Item>,
  limit: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await work(next.value);
  };
  const settled = await Promise.allSettled(Array.from({ length: limit }, worker));
  for (const each of settled) if (each.status === "rejected") throw each.reason;
}
