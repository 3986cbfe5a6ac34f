import { expect, test } from "bun:test";

import type { Decider } from "../../src/decider/index.ts";
import { given } from "../../src/testing.ts";
import { account } from "./account.ts";

const opened = { type: "Opened", data: { owner: "Ida" } } as const;
const deposited = (cents: number) => ({ type: "Deposited", data: { cents } }) as const;

test("a test states the events, states and refusals that it expects", () => {
  given(account, []).when({ type: "Open", owner: "Ida" }).thenEvents([opened]);
  given(account, [opened, deposited(5)])
    .when({ type: "Withdraw", cents: 2 })
    .thenEvents([{ type: "Withdrawn", data: { cents: 2 } }]);
  given(account, [opened, deposited(5)])
    .when({ type: "Withdraw", cents: 2 })
    .thenState({ owner: "Ida", cents: 3 });
  given(account, [opened]).when({ type: "Deposit", cents: 0 }).thenEvents([]);
  given(account, [opened])
    .when({ type: "Withdraw", cents: 1 })
    .thenFails(/only 0 left/);
});

test("any other outcome fails the test, with the difference", () => {
  const withdrawn = given(account, [opened, deposited(5)]).when({ type: "Withdraw", cents: 2 });
  expect(() => withdrawn.thenEvents([{ type: "Withdrawn", data: { cents: 3 } }])).toThrow(/cents: 3/);
  expect(() => withdrawn.thenEvents([])).toThrow(/Withdrawn/);
  expect(() => withdrawn.thenState({ owner: "Ida", cents: 5 })).toThrow(/cents/);
  expect(() => withdrawn.thenFails(/only/)).toThrow(/was not rejected[^]*Withdrawn/);
  const refused = given(account, []).when({ type: "Withdraw", cents: 2 });
  expect(() => refused.thenEvents([])).toThrow("only 0 left");
  expect(() => refused.thenFails(/overdrawn/)).toThrow(/overdrawn/);
});

test("a failure to fold is no refusal", () => {
  const broken = {
    ...account,
    evolve: () => {
      throw new Error("only a bug");
    },
  };
  expect(() => given(broken, [opened]).when({ type: "Withdraw", cents: 1 }).thenFails(/only/)).toThrow(
    "only a bug",
  );
});

test("a decider that changes what it is given fails", () => {
  const hoarder: Decider<string, { type: "Kept"; data: string }, { kept: string[] }> = {
    initial: { kept: [] },
    decide: (data) => ({ type: "Kept", data }),
    evolve(state, { data }) {
      state.kept.push(data);
      return state;
    },
  };
  expect(() =>
    given(hoarder, [])
      .when("a")
      .thenState({ kept: ["a"] }),
  ).toThrow(TypeError);
  const eager = {
    ...hoarder,
    evolve: () => ({ kept: [] }),
    decide: (_: string, state: { kept: string[] }) => (state.kept.push("x"), []),
  };
  expect(() => given(eager, []).when("a").thenEvents([])).toThrow(TypeError);
});

test("events and commands are typed", () => {
  // @ts-expect-error: there is no such event
  given(account, [{ type: "Closed" }]);
  const decide = given(account, []);
  // @ts-expect-error: nor such a command
  const closed = decide.when({ type: "Close" });
  // @ts-expect-error: nor such data
  expect(() => closed.thenEvents([{ type: "Deposited", data: { euros: 1 } }])).toThrow();
});
