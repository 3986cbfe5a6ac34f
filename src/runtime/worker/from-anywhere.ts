/** Returns the items in their order from a random one on, so that no item is always last when calls or time run out. */
export function fromAnywhere<Item>(items: readonly Item[]): Item[] {
  const first = Math.floor(Math.random() * items.length);
  return [...items.slice(first), ...items.slice(0, first)];
}
