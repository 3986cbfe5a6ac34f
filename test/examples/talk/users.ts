import { defineFeed } from "kilde";
import { z } from "zod";

/*
 * The events of users that the accounts service publishes. Internally a user registers and changes names; that stays inside.
 */

const events = {
  UserRegistered: z.object({ given: z.string(), family: z.string() }),
  FamilyNameChanged: z.object({ family: z.string() }),
};

type User = { given: string; family: string };

const state = {
  initial: { given: "", family: "" },
  evolve: {
    UserRegistered: (_user: User, { data }: { data: User }) => data,
    FamilyNameChanged: (user: User, { data }: { data: { family: string } }) => ({ ...user, ...data }),
  },
};

/** The first contract: a name is a text. */
export const usersV1 = defineFeed({
  name: "users",
  version: 1,
  source: { streams: "user-" },
  events,
  contract: { UserNamed: z.object({ name: z.string() }) },
  state,
  publish: {
    UserRegistered: (_event, { given, family }) => ({
      type: "UserNamed",
      data: { name: `${given} ${family}` },
    }),
    FamilyNameChanged: (_event, { given, family }) => ({
      type: "UserNamed",
      data: { name: `${given} ${family}` },
    }),
  },
});

/** The second: other services asked for the parts. */
export const usersV2 = defineFeed({
  name: "users",
  version: 2,
  source: { streams: "user-" },
  events,
  contract: { UserNamed: z.object({ given: z.string(), family: z.string() }) },
  state,
  publish: {
    UserRegistered: (_event, user) => ({ type: "UserNamed", data: user }),
    FamilyNameChanged: (_event, user) => ({ type: "UserNamed", data: user }),
  },
});
