import { Hono } from "hono";
import { createClient } from "kilde/client";
import { createCommandHandler, type Decider } from "kilde/decider";

/* The accounts service: decides commands, and appends the resulting events. Argument: where its event store is. */

type Command =
  | { readonly do: "register"; readonly given: string; readonly family: string }
  | { readonly do: "rename"; readonly family: string };
type Event =
  | { readonly type: "UserRegistered"; readonly data: { readonly given: string; readonly family: string } }
  | { readonly type: "FamilyNameChanged"; readonly data: { readonly family: string } };

const user: Decider<Command, Event, { readonly registered: boolean }> = {
  initial: { registered: false },
  decide(command, { registered }) {
    if (command.do === "register") {
      if (registered) throw new Error("There is such a user already");
      return { type: "UserRegistered", data: { given: command.given, family: command.family } };
    }
    if (!registered) throw new Error("There is no such user");
    return { type: "FamilyNameChanged", data: { family: command.family } };
  },
  evolve: (state, { type }) => (type === "UserRegistered" ? { registered: true } : state),
};

const [url = ""] = process.argv.slice(2);
const { handle } = createCommandHandler({ store: createClient({ url }) });
const app = new Hono();
app.post("/users/:id", async (c) => {
  const { version } = await handle(`user-${c.req.param("id")}`, user, await c.req.json<Command>());
  return c.json({ version });
});
app.onError((error, c) => c.json({ error: error.message }, 409));

const server = Bun.serve({ port: 0, fetch: app.fetch });
console.log(server.url.href);
