import type { Decider } from "kilde/decider";

export type AccountEvent =
  | { readonly type: "AccountOpened"; readonly data: { readonly owner: string } }
  | { readonly type: "MoneyDeposited"; readonly data: { readonly cents: number } }
  | { readonly type: "MoneyWithdrawn"; readonly data: { readonly cents: number } };

export type AccountCommand =
  | { readonly do: "open"; readonly owner: string }
  | { readonly do: "deposit"; readonly cents: number }
  | { readonly do: "withdraw"; readonly cents: number };

export interface Account {
  /** Null: it was not opened. */
  readonly owner: string | null;
  readonly cents: number;
}

/** A command that an account refuses. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

export const account: Decider<AccountCommand, AccountEvent, Account> = {
  initial: { owner: null, cents: 0 },

  decide(command, { owner, cents }) {
    if (command.do === "open") {
      if (owner !== null) throw new RefusedError("The account was opened before");
      return { type: "AccountOpened", data: { owner: command.owner } };
    }
    if (owner === null) throw new RefusedError("The account was not opened");
    if (command.do === "deposit") return { type: "MoneyDeposited", data: { cents: command.cents } };
    if (command.cents > cents) throw new RefusedError(`There are only ${cents} cents`);
    return { type: "MoneyWithdrawn", data: { cents: command.cents } };
  },

  evolve(state, event) {
    switch (event.type) {
      case "AccountOpened":
        return { ...state, owner: event.data.owner };
      case "MoneyDeposited":
        return { ...state, cents: state.cents + event.data.cents };
      case "MoneyWithdrawn":
        return { ...state, cents: state.cents - event.data.cents };
      default:
        // Types of later versions of this service.
        return state;
    }
  },

  snapshot: { name: "account", schemaVersion: 1 },
};
