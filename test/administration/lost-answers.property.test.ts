import { expect, test } from "bun:test";

import fc from "fast-check";

import { type Database, textAt } from "../../src/storage/database.ts";
import { UNANSWERED } from "../../src/storage/failures.ts";
import { jsonPost, openApp, type TestApp } from "../support/app.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { createTestKey, withToken } from "../support/keys.ts";

/** The fault of the next writes. `refused`: the database does not run them. `lost`: it runs them, and their answers are lost. */
const FAULTS = ["none", "none", "none", "refused", "lost"] as const;
type Fault = (typeof FAULTS)[number];

function unanswered(): Error {
  return Object.assign(new Error("no answer"), { code: UNANSWERED });
}

/** A database whose writes fail as `fault` states. */
function faultyDatabase(database: Database) {
  const state: { fault: Fault } = { fault: "none" };
  const faulty: Database = {
    ...database,
    async write(statements) {
      const { fault } = state;
      if (fault === "refused") throw unanswered();
      const rows = await database.write(statements);
      if (fault === "lost") throw unanswered();
      return rows;
    },
  };
  return { state, database: faulty };
}

const STREAMS = ["a", "b", "c"];
const NAMES = ["one", "two", "three"];

const command = fc.record({
  kind: fc.constantFrom("create", "rotate", "revoke", "revoke", "erase", "subscribe", "remove", "append"),
  node: fc.nat(1),
  fault: fc.constantFrom(...FAULTS),
  pick: fc.nat(20),
  /** Whether the next command is sent before the answer to this one. */
  isConcurrent: fc.boolean(),
});

/** A key whose token is known. */
interface Held {
  readonly id: string;
  readonly token: string;
  isRevoked: boolean;
}

/** Sends commands to two nodes, and fails if a key that was revoked is accepted. */
async function send(
  nodes: readonly { readonly app: TestApp; readonly state: { fault: Fault } }[],
  root: string,
) {
  const held: Held[] = [];
  const subscriptions: string[] = [];
  const path = ({
    kind,
    pick,
  }: {
    readonly kind: string;
    readonly pick: number;
  }): readonly [string, RequestInit] => {
    const key = held[pick % Math.max(1, held.length)]?.id ?? "abcdefghijkl";
    const stream = STREAMS[pick % STREAMS.length] ?? "";
    const subscription = subscriptions[pick % Math.max(1, subscriptions.length)] ?? "none";
    const name = NAMES[pick % NAMES.length] ?? "";
    switch (kind) {
      case "create":
        return ["/keys", jsonPost({ name, grants: ["read:/events"] })];
      case "rotate":
        return [`/keys/${key}/rotate`, jsonPost({ overlapSeconds: 0 })];
      case "revoke":
        return [`/keys/${key}`, { method: "DELETE" }];
      case "erase":
        return [`/streams/${stream}`, { method: "DELETE" }];
      case "subscribe":
        return ["/subscriptions", jsonPost({ source: "/events", url: "http://127.0.0.1:9/" })];
      case "remove":
        return [`/subscriptions/${subscription}`, { method: "DELETE" }];
      default:
        return [`/streams/${stream}`, jsonPost({ events: [{ type: "A" }] })];
    }
  };
  return {
    async run({ kind, node, fault, pick }: { kind: string; node: number; fault: Fault; pick: number }) {
      const at = nodes[node];
      if (at === undefined) throw new Error("there is no such node");
      const target = held[pick % Math.max(1, held.length)];
      const [url, init] = path({ kind, pick });
      at.state.fault = fault;
      const response = await withToken(at.app, root).fetch(url, init);
      at.state.fault = "none";
      const text = await response.text();
      expect([url, response.status, response.status < 500 || response.status === 503]).toEqual([
        url,
        response.status,
        true,
      ]);
      if (!response.ok) return;
      if (kind === "create" || kind === "rotate") {
        const { key, token } = JSON.parse(text) as { readonly key: string; readonly token: string };
        held.push({ id: key, token, isRevoked: false });
      }
      if (kind === "subscribe")
        subscriptions.push((JSON.parse(text) as { subscription: string }).subscription);
      if (target === undefined || (kind !== "revoke" && kind !== "rotate")) return;
      target.isRevoked = true;
      expect((await withToken(at.app, target.token).fetch("/events")).status).toBe(401);
    },
    held,
  };
}

/** Subjects and types of the entries, and those that the state of the database implies. */
async function compared(database: Database) {
  const texts = async (sql: string) =>
    (await database.read({ sql, args: [] })).map((row) => textAt(row, 0)).toSorted();
  return {
    recorded: await texts(`select subject.name || ' ' || event.type from logs as log
      join subjects as subject on subject.log = log.id join events as event on event.subject = subject.id
      where log.name = '/operations' and event.type not in ('kilde.subscription.removed', 'kilde.subscription.created')`),
    implied: await texts(`select '/keys/' || id || ' kilde.key.created' from api_keys
        where id not in (select successor from api_keys where successor is not null) and name <> 'root'
      union all select '/keys/' || id || ' kilde.key.rotated' from api_keys where successor is not null
      union all select '/keys/' || id || ' kilde.key.revoked' from api_keys where revoked is not null
      union all select '/streams/' || subject.name || ' kilde.stream.erased' from events as event
        join subjects as subject on subject.id = event.subject and subject.log = 0 where event.type = 'kilde.erased'`),
    subscriptions: await texts(`select subject.name from logs as log
      join subjects as subject on subject.log = log.id join events as event on event.subject = subject.id
      where log.name = '/operations' and event.type like 'kilde.subscription.%'
      group by subject.name having sum(iif(event.type = 'kilde.subscription.created', 1, -1)) = 1`),
    existing: await texts("select '/subscriptions/' || id from subscriptions"),
    positions: await texts(`select format('%06d', event.key - log.id * (1 << 40)) from logs as log
      join subjects as subject on subject.log = log.id join events as event on event.subject = subject.id
      where log.name = '/operations'`),
  };
}

forEachDeployment(["file", "sqld"], (deployment) => {
  test(`an entry is there exactly if its change is, and no revoked key works, whatever writes and answers are lost (${deployment.name})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40 }), async (commands) => {
        const opened = await deployment.open();
        const nodes = [];
        for (let count = 1; count <= 2; count += 1) {
          const { state, database } = faultyDatabase(opened.database());
          nodes.push({ state, app: await openApp({ database, isShared: true }) });
        }
        const reading = opened.database();
        const [first] = nodes;
        if (first === undefined) throw new Error("there are no nodes");
        const { token: root } = await createTestKey(first.app, ["admin"], { name: "root" });
        await Bun.sleep(150);
        const { run, held } = await send(nodes, root);
        let running: Promise<void>[] = [];
        for (const one of commands) {
          running.push(run(one));
          if (one.isConcurrent) continue;
          await Promise.all(running);
          running = [];
        }
        await Promise.all(running);
        const { recorded, implied, subscriptions, existing, positions } = await compared(reading);
        expect(recorded).toEqual(implied);
        expect(subscriptions).toEqual(existing);
        expect(positions).toEqual(positions.map((_, index) => String(index + 1).padStart(6, "0")));
        await Bun.sleep(1_100);
        for (const { token, isRevoked } of held)
          for (const { app } of nodes)
            if (isRevoked) expect((await withToken(app, token).fetch("/events")).status).toBe(401);
        for (const { app } of nodes) await app.close();
        reading.close();
        await opened.dispose();
      }),
      { numRuns: 4 },
    );
  }, 120_000);
});
