import { type Context, Hono } from "hono";
import { createCommandHandler, KildeError, streamSnapshots } from "kilde/decider";
import { createKilde, type Kilde } from "kilde/embed";
import { z } from "zod";

import { account, type AccountCommand, RefusedError } from "./account.ts";
import { balances } from "./balances.ts";

const opening = z.object({ owner: z.string().min(1) });
const movement = z.object({ cents: z.int().positive() });

/** Accounts over HTTP; their events are under /kilde, for services that follow it. */
function accounts(kilde: Kilde) {
  const commands = createCommandHandler({ store: kilde, snapshots: streamSnapshots(kilde) });
  const app = new Hono();

  const handle = async (c: Context, command: AccountCommand) => {
    // The caller may repeat a request whose answer it lost: it is done once.
    const idempotencyKey = c.req.header("idempotency-key");
    const { state, version } = await commands.handle(
      `account-${c.req.param("id")}`,
      account,
      command,
      idempotencyKey === undefined ? {} : { idempotencyKey },
    );
    return c.json({ ...state, version });
  };

  app.post("/accounts/:id", async (c) => handle(c, { do: "open", ...opening.parse(await c.req.json()) }));
  app.post("/accounts/:id/deposits", async (c) =>
    handle(c, { do: "deposit", ...movement.parse(await c.req.json()) }),
  );
  app.post("/accounts/:id/withdrawals", async (c) =>
    handle(c, { do: "withdraw", ...movement.parse(await c.req.json()) }),
  );

  // The feed is the read model as well, and complete as of the request.
  app.get("/accounts/:id", async (c) => {
    const subject = `account-${c.req.param("id")}`;
    const last = { feed: "balances/v1", subject, direction: "backwards", limit: 1 } as const;
    for await (const { data } of kilde.read(last)) return c.json(data);
    return c.notFound();
  });

  app.mount("/kilde", kilde.fetch);

  app.onError((error, c) => {
    if (error instanceof RefusedError) return c.json({ error: error.message }, 409);
    if (error instanceof z.ZodError) return c.json({ error: z.prettifyError(error) }, 422);
    if (error instanceof KildeError) {
      const { message, code } = error;
      return c.json({ error: message, code }, code === "subject-not-found" ? 404 : 503);
    }
    throw error;
  });
  return { app, settle: () => commands.settle() };
}

const kilde = await createKilde({
  databaseUrl: process.env["DATABASE_URL"] ?? "file:data/accounts.db",
  feeds: [balances],
  basePath: "/kilde",
});
const { app, settle } = accounts(kilde);
// Followers are silent for up to 15 seconds.
const server = Bun.serve({ port: Number(process.env["PORT"] ?? 3000), idleTimeout: 0, fetch: app.fetch });
console.log(`Accounts are at ${server.url.href}`);

async function stop(): Promise<void> {
  const stopped = server.stop();
  await settle();
  await kilde.close();
  await stopped;
}
process.once("SIGTERM", () => void stop());
