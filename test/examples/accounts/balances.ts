import { defineFeed } from "kilde";
import { z } from "zod";

const amount = z.object({ cents: z.int().positive() });

/** The balances of accounts, for other services, which do not see how the money moved. */
export const balances = defineFeed({
  name: "balances",
  version: 1,
  source: { streams: "account-" },
  events: { AccountOpened: z.object({ owner: z.string() }), MoneyDeposited: amount, MoneyWithdrawn: amount },
  contract: { BalanceChanged: z.object({ owner: z.string(), cents: z.int() }) },
  state: {
    initial: { owner: "", cents: 0 },
    evolve: {
      AccountOpened: (state, { data }) => ({ ...state, owner: data.owner }),
      MoneyDeposited: (state, { data }) => ({ ...state, cents: state.cents + data.cents }),
      MoneyWithdrawn: (state, { data }) => ({ ...state, cents: state.cents - data.cents }),
    },
  },
  publish: {
    AccountOpened: (_event, balance) => ({ type: "BalanceChanged", data: balance }),
    MoneyDeposited: (_event, balance) => ({ type: "BalanceChanged", data: balance }),
    MoneyWithdrawn: (_event, balance) => ({ type: "BalanceChanged", data: balance }),
  },
});
