/**
 * Removes the first items of a queue whose weights sum to at most `most`; at least one item, unless the queue is
 * empty.
 */
export function dequeueWithin<Item>(queue: Item[], most: number, weightOf: (item: Item) => number): Item[] {
  let count = 0;
  let weight = 0;
  for (const item of queue) {
    weight += weightOf(item);
    if (count > 0 && weight > most) break;
    count += 1;
  }
  return queue.splice(0, count);
}
