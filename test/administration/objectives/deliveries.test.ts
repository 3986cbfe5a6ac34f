import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { openDatabase } from "../../../src/storage/open.ts";
import { cleanUp, databaseOf, emptyFolder, serve } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import { append, call, entries, environment, receiverForEachTest, subscribe } from "../deliveries.ts";
import { alarmOf } from "./objectives.ts";

runsOn(["file", "sqld"]);

cleanUp();

const receiver = receiverForEachTest();

const CONFIG = `export default {
  objectives: { consumers: { cards: { silent: "2m", contact: "#team-cards" } } },
};`;

/** Lets consumers look as if they had been silent for an hour. */
async function silence(folder: string): Promise<void> {
  const { KILDE_DATABASE_URL: url = `file:${join(folder, "data/kilde.db")}` } = await databaseOf(folder);
  const database = openDatabase({ url });
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  await database.write([{ sql: "update consumers set seen = ?1", args: [hourAgo] }]);
  database.close();
}

test("a webhook delivers each alarm of a server's configuration once, also when the server is killed", async () => {
  const folder = emptyFolder();
  writeFileSync(join(folder, "kilde.config.ts"), CONFIG);
  const commit = { method: "PUT", body: JSON.stringify({ position: 0 }) };
  let server = await serve(folder, [], { environment });
  const path = await subscribe(server, receiver.url, "/operations");
  await call(server, "/events/consumers/cards", commit);
  await server.stop("SIGKILL");
  await silence(folder);
  // After a kill a delivery may come again; a receiver knows it by its id.
  const alarms = () => {
    const taken = new Map(receiver.taken.map((event) => [event.id, event]));
    return [...taken.values()].filter(({ subject }) => subject !== path).map(alarmOf);
  };
  for (let start = 1; start <= 2; start += 1) {
    server = await serve(folder, [], { environment });
    await eventually(() => alarms().length === 1);
    if (start === 1) await server.stop("SIGKILL");
  }
  await call(server, "/events/consumers/cards", commit);
  await eventually(() => alarms().length === 2, { withinMs: 20_000 });
  await server.stop();
  expect(alarms()).toMatchObject([
    ["/events/consumers/cards", "consumer.silent", { contact: "#team-cards", objectiveSeconds: 120 }],
    ["/events/consumers/cards", "consumer.recovered", { from: "silent", contact: "#team-cards" }],
  ]);
}, 60_000);

test("blocked and healed subjects name the contact of the subscription's objective", async () => {
  const folder = emptyFolder();
  let server = await serve(folder, [], { environment });
  const path = await subscribe(server, receiver.url);
  await server.stop();
  const id = path.replace("/subscriptions/", "");
  const objectives = { subscriptions: { [id]: { lag: "1h", contact: "#team-crm" } } };
  writeFileSync(join(folder, "kilde.config.ts"), `export default ${JSON.stringify({ objectives })};`);
  server = await serve(folder, [], { environment });
  receiver.statusOf = () => 400;
  await append(server, "bad");
  await eventually(async () => (await entries(server, "?type=kilde.subject.blocked")).length === 1);
  receiver.statusOf = () => 204;
  await call(server, `${path}/blocked/bad/retry`, { method: "POST" });
  await eventually(async () => (await entries(server, "?type=kilde.subject.healed")).length === 1);
  const data = { principal: null, source: "/events", subject: "bad", count: 1, contact: "#team-crm" };
  expect((await entries(server)).slice(-2)).toEqual([
    [path, "kilde.subject.blocked", data],
    [path, "kilde.subject.healed", data],
  ]);
  await server.stop();
}, 60_000);
