import * as work from "./workload.ts";

export type FeedKind = "stateless" | "stateful";

/** A configuration with feeds of the benchmark's own events, each of them a version of its own. */
export function configOf(feeds: readonly FeedKind[]): string {
  const definitions = feeds.map((kind, index) => {
    const state = `state: { initial: { total: 0 }, evolve: Object.fromEntries(types.map((type) =>
      [type, (state, event) => ({ total: state.total + event.data.amount })])) },`;
    const total = kind === "stateful" ? "total: state.total," : "";
    return `defineFeed({ name: "${kind}", version: ${index + 1}, events,
      contract: { Declared: z.object({ cents: z.int(), by: z.string(), total: z.int().optional() }) },
      ${kind === "stateful" ? state : ""}
      publish: Object.fromEntries(types.map((type) => [type, ({ data }, state) =>
        ({ type: "Declared", data: { cents: data.amount * 100, by: data.by, ${total} } })])) })`;
  });
  return `import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const types = ${JSON.stringify(work.TYPES)};
const event = z.object({ number: z.int(), amount: z.int(), by: z.string(), text: z.string() });
const events = Object.fromEntries(types.map((type) => [type, event]));
export default defineConfig({ accessLog: false, feeds: [${definitions.join(",\n")}] });
`;
}
