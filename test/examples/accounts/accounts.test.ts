import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { given } from "kilde/testing";

import { createClient } from "../../../src/client/index.ts";
import { account } from "./account.ts";
import { balances } from "./balances.ts";

const folder = mkdtempSync(join(tmpdir(), "kilde-accounts-"));
const env = { ...process.env, PORT: "0", DATABASE_URL: `file:${join(folder, "accounts.db")}` };

interface Service {
  readonly url: string;
  stop(): Promise<number>;
}

async function start(): Promise<Service> {
  const program = [process.execPath, join(import.meta.dir, "service.ts")];
  const child = Bun.spawn(program, { env, stdout: "pipe", stderr: "inherit" });
  const decoder = new TextDecoder();
  for await (const bytes of child.stdout) {
    const url = /http:\/\/\S+\d/.exec(decoder.decode(bytes))?.[0];
    if (url === undefined) continue;
    return {
      url,
      async stop() {
        child.kill("SIGTERM");
        return await child.exited;
      },
    };
  }
  throw new Error("the service did not start");
}

let service: Service;
beforeAll(async () => {
  service = await start();
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  const response = await fetch(service.url + path, init);
  return [response.status, await response.json()] as const;
}

test("a service decides on its own event store", async () => {
  const key = { "idempotency-key": "first" };
  expect(await post("/accounts/1", { owner: "Ida" })).toEqual([200, { owner: "Ida", cents: 0, version: 1 }]);
  for (let times = 0; times < 2; times += 1) {
    const deposited = await post("/accounts/1/deposits", { cents: 50 }, key);
    expect(deposited).toEqual([200, { owner: "Ida", cents: 50, version: 2 }]);
  }
  expect(await post("/accounts/1/withdrawals", { cents: 80 })).toEqual([
    409,
    { error: "There are only 50 cents" },
  ]);
  expect((await post("/accounts/1/withdrawals", { cents: -1 }))[0]).toBe(422);
  expect((await fetch(`${service.url}/accounts/2`)).status).toBe(404);

  // However many ask at once, there is no more than there is.
  const asked = await Promise.all(
    Array.from({ length: 10 }, () => post("/accounts/1/withdrawals", { cents: 20 })),
  );
  expect(asked.filter(([status]) => status === 200)).toHaveLength(2);
  expect(await (await fetch(`${service.url}/accounts/1`)).json()).toEqual({ owner: "Ida", cents: 10 });
});

test("other services follow what it publishes, also over its restart", async () => {
  const client = createClient({ url: `${service.url}/kilde` });
  const published: unknown[] = [];
  for await (const { data } of client.read({ feed: "balances/v1", subject: "account-1" }))
    published.push(data);
  expect(published).toEqual([0, 50, 30, 10].map((cents) => ({ owner: "Ida", cents })));

  expect(await service.stop()).toBe(0);
  service = await start();
  expect(await post("/accounts/1/deposits", { cents: 5 })).toEqual([
    200,
    { owner: "Ida", cents: 15, version: 5 },
  ]);
});

test("its decisions and its feed are tested without a server", () => {
  const opened = { type: "AccountOpened", data: { owner: "Ida" } } as const;
  given(account, [])
    .when({ do: "deposit", cents: 1 })
    .thenFails(/was not opened/);
  given(account, [opened])
    .when({ do: "deposit", cents: 1 })
    .thenEvents([{ type: "MoneyDeposited", data: { cents: 1 } }]);
  given(balances, [opened, { type: "MoneyDeposited", data: { cents: 5 } }]).thenPublishes([
    { type: "BalanceChanged", data: { owner: "Ida", cents: 0 } },
    { type: "BalanceChanged", data: { owner: "Ida", cents: 5 } },
  ]);
});
