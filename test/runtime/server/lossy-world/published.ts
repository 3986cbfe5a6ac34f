/** The events of producers, the feeds that publish them, and the same in plain functions, to check consumers by. */

/** Data of the event types that producers append. Their identifiers are unique. */
export interface Operation {
  readonly id: string;
  readonly n: number;
}

/** How identifiers of events begin that no producer appended. */
export const MARK = "mark/";

export interface Published {
  readonly type: string;
  readonly data: unknown;
}

/** The logs that consumers are asked to follow. */
export type LogName = "events" | "payments/v1" | "payments/v2";

/** From this amount on, the second version publishes a second event. */
const LARGE = 8;

/**
 * The events that each log publishes for an event of the event log; `sum`: of all amounts of the stream up to this
 * event.
 */
export const published: Readonly<
  Record<LogName, (type: string, data: Operation, sum: number) => readonly Published[]>
> = {
  events: (type, data) => [{ type, data }],
  "payments/v1": (type, { id, n }) =>
    type === "Added" ? [{ type: "Paid", data: { id, n } }] : [{ type: "Noted", data: { id } }],
  "payments/v2": (type, { id, n }, sum) => {
    if (type !== "Added") return [];
    const paid = { type: "PaidInCents", data: { id, cents: n * 100, sum } };
    return n < LARGE ? [paid] : [paid, { type: "LargePaid", data: { id } }];
  },
};

/** The server's configuration, with the feed in its first version, or in both. */
export function configOf(versions: 1 | 2): string {
  return `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const id = z.string();
const events = { Added: z.object({ id, n: z.int() }), Noted: z.object({ id, n: z.int() }) };
const first = defineFeed({
  name: "payments", version: 1, events,
  contract: { Paid: z.object({ id, n: z.int() }), Noted: z.object({ id }) },
  publish: {
    Added: ({ data: { id, n } }) => ({ type: "Paid", data: { id, n } }),
    Noted: ({ data: { id } }) => ({ type: "Noted", data: { id } }),
  },
});
const second = defineFeed({
  name: "payments", version: 2, events,
  contract: {
    PaidInCents: z.object({ id, cents: z.int(), sum: z.int() }),
    LargePaid: z.object({ id }),
  },
  state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
  publish: {
    Added: ({ data: { id, n } }, { sum }) => {
      const paid = { type: "PaidInCents" as const, data: { id, cents: n * 100, sum } };
      return n < ${LARGE} ? paid : [paid, { type: "LargePaid" as const, data: { id } }];
    },
  },
});
export default defineConfig({ accessLog: false, feeds: [${versions === 1 ? "first" : "first, second"}] });
`;
}
