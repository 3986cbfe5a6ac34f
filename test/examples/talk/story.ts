import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createClient as openFile } from "@libsql/client";
import { createClient } from "kilde/client";

import { eventually } from "../../support/eventually.ts";

/*
 * The failures of services that publish events to each other, and how Kilde prevents them, printed and asserted with
 * real processes over real HTTP. `npm run story` runs it.
 */

const HERE = import.meta.dir;
const MAIN = join(HERE, "../../../src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "kilde-story-"));
const running = new Set<Bun.Subprocess>();

interface Service {
  readonly url: string;
  kill(signal?: "SIGKILL"): Promise<void>;
}

/** Starts a program, which prints its URL. */
async function start(
  file: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Service> {
  const child = Bun.spawn([process.execPath, file, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  running.add(child);
  const decoder = new TextDecoder();
  let output = "";
  const stream = file === MAIN ? child.stderr : child.stdout;
  for await (const bytes of stream) {
    output += decoder.decode(bytes, { stream: true });
    const url = /http:\/\/[\w.]+:\d+/.exec(output)?.[0];
    if (url === undefined) continue;
    return {
      url,
      async kill(signal) {
        child.kill(signal);
        await child.exited;
        running.delete(child);
      },
    };
  }
  throw new Error(`${file} did not start: ${output} ${await new Response(child.stderr).text()}`);
}

const SECRET_KEYS = `k1:${btoa("0123456789abcdef0123456789abcdef")}`;

const startKilde = (config: string, port = "0") =>
  start(
    MAIN,
    ["serve", "--port", port, "--config", join(HERE, config), "--database-url", "file:accounts.db"],
    {
      KILDE_SECRET_KEYS: SECRET_KEYS,
      KILDE_EGRESS_ALLOW: "localhost,127.0.0.1",
      KILDE_ACCESS_LOG: "false",
    },
  );

async function ask<Body>(url: string, method = "GET", body?: unknown): Promise<Body> {
  const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await fetch(url, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return (text === "" ? null : JSON.parse(text)) as Body;
}

interface User {
  readonly id: string;
  readonly name: string;
}
interface Effect {
  readonly user: string;
  readonly source: number;
  readonly version: string;
}

const usersOf = async ({ url }: Service) =>
  new Map((await ask<User[]>(`${url}/users`)).map(({ id, name }) => [id, name]));

function chapter(title: string): void {
  console.log(`\n${title}`);
}
function print(text: string): void {
  console.log(`  ${text}`);
}

async function story(): Promise<void> {
  chapter("1. The service dies between its change and its message");
  const published: string[] = [];
  const oldBroker = Bun.serve({
    port: 0,
    async fetch(request) {
      published.push(await request.text());
      return new Response();
    },
  });
  const classical = Bun.spawn(
    [process.execPath, join(HERE, "classical.ts"), "classical.db", oldBroker.url.href],
    {
      cwd: folder,
    },
  );
  await classical.exited;
  const row = await openFile({ url: `file:${join(folder, "classical.db")}` }).execute(
    "select name from users",
  );
  assert.equal(row.rows.length, 1);
  assert.equal(published.length, 0);
  await oldBroker.stop(true);
  print("The old way: user-0 is in the service's database, and no other service will ever learn of it.");

  let kilde = await startKilde("feeds-v1.config.ts");
  const { port } = new URL(kilde.url);
  const client = createClient({ url: kilde.url });
  let accounts = await start(join(HERE, "accounts.ts"), [kilde.url]);
  await ask(`${accounts.url}/users/1`, "POST", { do: "register", given: "Ida", family: "Holm" });
  await Promise.all([accounts.kill("SIGKILL"), kilde.kill("SIGKILL")]);
  kilde = await startKilde("feeds-v1.config.ts", port);
  accounts = await start(join(HERE, "accounts.ts"), [kilde.url]);
  await eventually(async () => (await client.head("users/v1")) === 1);
  print(
    "With Kilde the event is the change: both processes were killed right after the answer, and the feed has user-1.",
  );

  chapter("2. A new service needs everybody, and nobody replays anything by hand");
  for (let id = 2; id <= 40; id += 1)
    await ask(`${accounts.url}/users/${id}`, "POST", { do: "register", given: `Given${id}`, family: "Lind" });
  const notifications = await start(join(HERE, "notifications.ts"), [
    kilde.url,
    "notifications.db",
    "v1",
    "-",
  ]);
  await eventually(async () => (await usersOf(notifications)).size === 40);
  print(
    "The notifications service was started on an empty database: it read the feed from the start, 40 users.",
  );

  chapter("3. A request about somebody the service has never heard of");
  const asking = await start(join(HERE, "cards.ts"), [kilde.url, "asking.db", "v1", "-", "idle"]);
  assert.equal((await usersOf(asking)).size, 0);
  assert.equal((await ask<User>(`${asking.url}/users/user-7`)).name, "Given7 Lind");
  assert.equal((await usersOf(asking)).size, 1);
  await asking.kill();
  print("A cards service that knows nobody was asked for user-7: it pulled that one subject, and answered.");

  chapter("4. A message is lost on its way, and another comes");
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  let cards = await start(join(HERE, "cards.ts"), [kilde.url, "cards.db", "v1", secret]);
  const broker = await start(join(HERE, "lossy-broker.ts"), [`${cards.url}/hook`]);
  const subscription = await client.subscriptions.create({
    source: "/feeds/users/v1",
    url: broker.url,
    secret,
    start: "beginning",
  });
  await eventually(async () => (await usersOf(cards)).size === 40);
  await ask(broker.url, "PUT", ["user-1/2"]);
  await ask(`${accounts.url}/users/1`, "POST", { do: "rename", family: "Berg" });
  await eventually(async () => (await ask<{ lost: number }>(broker.url)).lost > 0);
  assert.equal((await usersOf(cards)).get("user-1"), "Ida Holm");
  print("user-1 was renamed. The broker to the cards service acknowledged the event, and lost it.");
  await ask(`${accounts.url}/users/1`, "POST", { do: "rename", family: "Dahl" });
  await eventually(async () => (await usersOf(cards)).get("user-1") === "Ida Dahl");
  const healed = (await ask<Effect[]>(`${cards.url}/effects`)).filter(({ user }) => user === "user-1");
  assert.equal(healed.length, 3);
  print(
    "The next rename had version 3, where 2 was expected: the service pulled the missing event, and handled both, in order.",
  );

  chapter("5. The last message is lost, and nothing comes after it");
  await ask(broker.url, "PUT", ["user-2/2"]);
  await ask(`${accounts.url}/users/2`, "POST", { do: "rename", family: "Vang" });
  await eventually(async () => (await ask<{ lost: number }>(broker.url)).lost > 1);
  assert.equal((await usersOf(cards)).get("user-2"), "Given2 Lind");
  const found = await ask<{ healedSubjects: number; checked: number; requests: number }>(
    `${cards.url}/reconstitute`,
    "POST",
  );
  assert.equal(found.healedSubjects, 1);
  assert.equal((await usersOf(cards)).get("user-2"), "Given2 Vang");
  print(
    `Reconstitution walked over ${found.checked} users in ${found.requests} requests, found the one that lacked something, and healed it.`,
  );

  chapter("6. The contract changes, and three teams move when it suits them");
  await kilde.kill();
  kilde = await startKilde("feeds-v2.config.ts", port);
  await eventually(async () => (await client.head("users/v2")) === 43);
  print(
    "The accounts team put v2 beside v1, with a restart: names come in parts. Every consumer continues with v1.",
  );
  await assert.rejects(
    ask(`${kilde.url}/feeds/users/v1`, "DELETE"),
    (error) => error instanceof Error && error.message.includes("feed-in-use"),
  );
  print("v1 cannot be retired yet: the server knows who still reads it.");

  const move = async (service: Service, program: string, file: string): Promise<Service> => {
    await service.kill();
    const between = await start(join(HERE, program), [kilde.url, file, "v1 to v2", secret]);
    await eventually(async () => (await usersOf(between)).size === 40);
    let agrees = false;
    await eventually(async () => {
      const { check } = await ask<{ check: { agrees: boolean } }>(`${between.url}/switch`, "POST");
      agrees = check.agrees;
      return agrees;
    });
    assert.ok(agrees);
    await between.kill();
    return start(join(HERE, program), [kilde.url, file, "v2", secret]);
  };
  await client.subscriptions.remove(subscription.subscription);
  cards = await move(cards, "cards.ts", "cards.db");
  print("The cards team switched, subject by subject, and checked that both versions agree.");
  await ask(`${accounts.url}/users/3`, "POST", { do: "rename", family: "Krog" });
  await eventually(async () => {
    const [one, other] = [await usersOf(cards), await usersOf(notifications)];
    return one.get("user-3") === "Given3 Krog" && other.get("user-3") === "Given3 Krog";
  });
  print("user-3 was renamed: cards heard of it by v2, notifications by v1.");
  const moved = await move(notifications, "notifications.ts", "notifications.db");
  print("The notifications team followed, weeks later.");
  for (const name of ["cards", "notifications"])
    await ask(`${kilde.url}/feeds/users/v1/consumers/${name}`, "DELETE").catch(() => null);
  await ask(`${kilde.url}/feeds/users/v1?force=true`, "DELETE");
  await assert.rejects(
    ask(`${kilde.url}/feeds/users/v1`),
    (error) => error instanceof Error && error.message.includes("feed-retired"),
  );
  print("v1 is gone.");

  chapter("7. Counting");
  await ask(`${accounts.url}/users/4`, "POST", { do: "rename", family: "Skov" });
  for (const service of [cards, moved]) {
    await eventually(async () => (await usersOf(service)).get("user-4") === "Given4 Skov");
    const effects = await ask<Effect[]>(`${service.url}/effects`);
    const sources = new Set(effects.map(({ source }) => source));
    assert.equal(sources.size, effects.length);
    assert.equal(effects.length, await client.head());
  }
  const passed = await ask<{ lost: number; repeated: number; overtaken: number }>(broker.url);
  print(
    `${await client.head()} things happened to users. Each service did each of them exactly once, though ${passed.lost} messages were lost, ${passed.repeated} came twice and ${passed.overtaken} too late.`,
  );
}

try {
  await story();
} finally {
  for (const child of running) child.kill("SIGKILL");
  if (existsSync(folder)) rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
