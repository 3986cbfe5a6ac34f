import type { Decider } from "../../src/decider/index.ts";

export type AccountEvent =
  | { readonly type: "Opened"; readonly data: { readonly owner: string } }
  | { readonly type: "Deposited"; readonly data: { readonly cents: number } }
  | { readonly type: "Withdrawn"; readonly data: { readonly cents: number } };

export type AccountCommand =
  | { readonly type: "Open"; readonly owner: string }
  | { readonly type: "Deposit"; readonly cents: number }
  | { readonly type: "Withdraw"; readonly cents: number };

export interface Account {
  readonly owner: string | null;
  readonly cents: number;
}

export type AccountDecider = Decider<AccountCommand, AccountEvent, Account>;

/** Never below zero; opened once; a deposit of nothing is no event. */
export const account: AccountDecider = {
  initial: { owner: null, cents: 0 },
  decide(command, { owner, cents }) {
    if (command.type === "Open") {
      if (owner !== null) throw new Error(`the account is ${owner}'s already`);
      return { type: "Opened", data: { owner: command.owner } };
    }
    if (command.cents === 0) return [];
    if (command.type === "Deposit") return { type: "Deposited", data: { cents: command.cents } };
    if (command.cents > cents) throw new Error(`only ${cents} left`);
    return [{ type: "Withdrawn", data: { cents: command.cents } }];
  },
  evolve(state, event) {
    switch (event.type) {
      case "Opened":
        return { ...state, owner: event.data.owner };
      case "Deposited":
        return { ...state, cents: state.cents + event.data.cents };
      case "Withdrawn":
        return { ...state, cents: state.cents - event.data.cents };
      default:
        return state;
    }
  },
};
