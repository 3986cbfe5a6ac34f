import { z } from "zod";

import { defineFeed, type SourceEvent } from "../../src/feeds/define/define.ts";

/** A feed as a user would write it: two types read, one published under another name, state folded. */
export const declarations = defineFeed({
  name: "declarations",
  version: 2,
  description: "Expense declarations, amounts in cents",
  source: { streams: "declaration-" },
  events: {
    Submitted: z.object({ amount: z.number(), note: z.string().optional() }),
    Paid: z.object({ amount: z.number() }),
  },
  contract: {
    DeclarationSubmitted: z.object({ cents: z.int(), note: z.string().optional() }),
    DeclarationPaid: z.object({ cents: z.int(), submittedAt: z.string().nullable() }),
  },
  state: {
    initial: { submittedAt: null as string | null },
    evolve: { Submitted: (_state, event) => ({ submittedAt: event.time }) },
  },
  publish: {
    Submitted: ({ data }) => ({
      type: "DeclarationSubmitted",
      data: { cents: Math.round(data.amount * 100), note: data.note },
    }),
    Paid: ({ data }, state) => ({
      type: "DeclarationPaid",
      data: { cents: Math.round(data.amount * 100), submittedAt: state.submittedAt },
    }),
  },
});

/** A source event; version and position count as they do in a log of this one subject. */
export function sourceEvent(
  type: string,
  data: unknown,
  position = 1,
  subject = "declaration-1",
): SourceEvent {
  const time = new Date(Date.UTC(2026, 0, 1) + position * 1_000).toISOString();
  return { type, subject, version: position, position, time, data, extensions: {} };
}
