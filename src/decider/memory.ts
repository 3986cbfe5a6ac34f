/** What was used last, up to a number of entries. */
export interface Memory<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
}

/** Keeps so many entries, and forgets those that were not used for longest. */
export function remember<Value>(most: number): Memory<Value> {
  // A Map has its entries in the order in which they were added.
  const entries = new Map<string, Value>();
  return {
    get(key) {
      const value = entries.get(key);
      if (value === undefined) return undefined;
      entries.delete(key);
      entries.set(key, value);
      return value;
    },
    set(key, value) {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size <= most) return;
      const { value: oldest } = entries.keys().next();
      if (oldest !== undefined) entries.delete(oldest);
    },
  };
}
