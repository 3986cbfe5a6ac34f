import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";

import declarations from "../../examples/declarations/kilde.config.ts";

/** A feed of a feed. */
const payouts = defineFeed({
  name: "payouts",
  version: 1,
  description: "Money that left the accounts",
  source: { feed: "declarations", version: 2 },
  events: { DeclarationPaid: z.object({ cents: z.int() }) },
  contract: { PayoutMade: z.object({ cents: z.int() }) },
  publish: { DeclarationPaid: ({ data }) => ({ type: "PayoutMade", data: { cents: data.cents } }) },
});

/** A deprecated version, which halts at an event that its schema does not expect. */
const budgets = defineFeed({
  name: "budgets",
  version: 1,
  description: "Yearly budgets",
  deprecated: "2026-06-30",
  sunset: "2027-06-30",
  source: { streams: "budget-" },
  events: { BudgetApproved: z.object({ limit: z.number() }) },
  contract: { BudgetApproved: z.object({ limit: z.number() }) },
  publish: { BudgetApproved: ({ data }) => ({ type: "BudgetApproved", data }) },
});

export default defineConfig({ correlations: true, feeds: [...(declarations.feeds ?? []), payouts, budgets] });
