/** Takes the first of a queue out of it, as many as weigh at most so much together; one at least, if there is one. */
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
