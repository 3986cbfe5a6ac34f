import type { RegisteredFeed } from "./register.ts";

/** Returns the feeds and those that they are projected from, each once. */
export function withUpstream(feeds: readonly RegisteredFeed[]): readonly RegisteredFeed[] {
  const all = new Set<RegisteredFeed>();
  for (const feed of feeds)
    for (let one: RegisteredFeed | null = feed; one !== null; one = one.upstream) all.add(one);
  return [...all];
}
