import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { ApiKey, IssuedApiKey } from "../../../src/client/key-types.ts";
import { jsonPost, openApp, type Problem, type TestApp } from "../../support/app.ts";
import { createTestKey, type TestKey, withToken } from "../../support/keys.ts";

let app: TestApp;
let admin: TestKey;
beforeEach(async () => {
  app = await openApp();
  admin = await createTestKey(app, ["admin"], { name: "root" });
});
afterEach(() => app.close());

const CARDS = { name: "cards", grants: ["read:/streams/a"], consumer: "cards" };

async function issued(path: string, body: object = {}): Promise<IssuedApiKey> {
  const response = await admin.fetch(path, jsonPost(body));
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  expect(response.headers.get("cache-control")).toContain("no-store");
  return (await response.json()) as IssuedApiKey;
}

async function problemOf(response: Response): Promise<readonly unknown[]> {
  const { type, detail, errors = [] } = (await response.json()) as Problem;
  const faults = errors.map(({ pointer = "", detail: fault }) => `${pointer} ${fault}`);
  return [response.status, type.split("/").at(-1), ...(faults.length === 0 ? [detail] : faults)];
}

const statusWith = async (token: string) => (await withToken(app, token).fetch("/streams/a")).status;

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

describe("a key that is created over HTTP", () => {
  test("works at once, and is shown without its token", async () => {
    await admin.append("a", { type: "A" });
    const response = await admin.fetch("/keys", jsonPost(CARDS));
    const { token, ...key } = (await response.json()) as IssuedApiKey;
    expect(response.status).toBe(201);
    expect(response.headers.get("location")).toBe(`/keys/${key.key}`);
    expect(key).toMatchObject({ ...CARDS, status: "active", expires: null, revoked: null, successor: null });
    expect(token.startsWith(`kilde_${key.key}_`)).toBe(true);
    expect(await statusWith(token)).toBe(200);
    const shown = await admin.get<ApiKey>(`/keys/${key.key}`);
    expect(shown).toMatchObject({ ...key, used: shown.used });
  });

  test("ends at its expiry, which may have any offset", async () => {
    await admin.append("a", { type: "A" });
    const expires = new Date(Date.now() + 1_500);
    const { token, ...key } = await issued("/keys", {
      ...CARDS,
      expires: expires.toISOString().replace("Z", "+00:00"),
    });
    expect(key.expires).toBe(expires.toISOString());
    expect(await statusWith(token)).toBe(200);
    await Bun.sleep(expires.getTime() - Date.now() + 50);
    expect(await statusWith(token)).toBe(401);
    expect(await admin.get<ApiKey>(`/keys/${key.key}`)).toMatchObject({ status: "expired" });
  });

  const INVALID: readonly (readonly [string, object, string])[] = [
    ["an unknown verb", { grants: ["read:/events", "raed:/x"] }, '/grants/1 "raed:/x" must be "admin", or'],
    ["a path that cannot be granted", { grants: ["append:/events"] }, '/grants/0 "append:/events" cannot'],
    ["no grant", { grants: [] }, "/grants must contain at least one grant"],
    ["an empty name", { name: "" }, "/name must not be empty"],
    ["an empty consumer", { consumer: "" }, "/consumer must not be empty"],
    ["an expiry in the past", { expires: "2020-01-01T00:00:00Z" }, "/expires must be in the future"],
    ["an expiry that is no time", { expires: "90d" }, "/expires must be a time as RFC 3339"],
    ["an unknown member", { grant: "admin" }, "/grant"],
  ];
  test.each(INVALID)("is refused for %s, with the fault", async (_, change, fault) => {
    const [status, type, ...faults] = await problemOf(
      await admin.fetch("/keys", jsonPost({ ...CARDS, ...change })),
    );
    expect([status, type]).toEqual([422, "invalid-body"]);
    expect(faults.join("\n")).toContain(fault);
  });

  test("is refused while another valid key has its name, and accepted after that one is revoked", async () => {
    const { key } = await issued("/keys", CARDS);
    expect(await problemOf(await admin.fetch("/keys", jsonPost(CARDS)))).toEqual([
      409,
      "key-name-taken",
      `The key ${key} has the name "cards"`,
    ]);
    await admin.fetch(`/keys/${key}`, { method: "DELETE" });
    expect((await issued("/keys", CARDS)).key).not.toBe(key);
  });
});

test("keys are listed by name in pages that link to each other, without tokens", async () => {
  for (const name of ["d", "b", "a", "c"]) await issued("/keys", { ...CARDS, name });
  const names: string[] = [];
  let path: string | undefined = "/keys?limit=2";
  let text = "";
  while (path !== undefined) {
    const response = await admin.fetch(path);
    const body = await response.text();
    text += body;
    names.push(...(JSON.parse(body) as { keys: ApiKey[] }).keys.map(({ name }) => name));
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  expect(names).toEqual(["a", "b", "c", "d", "root"]);
  expect(text).not.toContain("kilde_");
});

describe("a rotation", () => {
  test("gives the successor the same name, grants and consumer, and ends the old key after the overlap", async () => {
    await admin.append("a", { type: "A" });
    const old = await issued("/keys", CARDS);
    const next = await issued(`/keys/${old.key}/rotate`, { overlapSeconds: 1 });
    expect(next).toMatchObject({ ...CARDS, status: "active" });
    expect([await statusWith(old.token), await statusWith(next.token)]).toEqual([200, 200]);
    const rotated = await admin.get<ApiKey>(`/keys/${old.key}`);
    expect(rotated).toMatchObject({ status: "rotated", successor: next.key });
    await Bun.sleep(Date.parse(rotated.expires ?? "") - Date.now() + 50);
    expect([await statusWith(old.token), await statusWith(next.token)]).toEqual([401, 200]);
  });

  test("without a body overlaps for a day", async () => {
    const old = await issued("/keys", CARDS);
    await issued(`/keys/${old.key}/rotate`);
    const { expires } = await admin.get<ApiKey>(`/keys/${old.key}`);
    expect(Math.abs(Date.parse(expires ?? "") - Date.parse(inHours(24)))).toBeLessThan(60_000);
  });

  test("takes the expiry of the new key, and refuses one in the past", async () => {
    const old = await issued("/keys", { ...CARDS, expires: inHours(10) });
    const refused = await admin.fetch(
      `/keys/${old.key}/rotate`,
      jsonPost({ expires: "2020-01-01T00:00:00Z" }),
    );
    expect(await problemOf(refused)).toEqual([422, "invalid-body", "/expires must be in the future"]);
    expect(await admin.get<ApiKey>(`/keys/${old.key}`)).toMatchObject({ status: "active" });
    expect(await issued(`/keys/${old.key}/rotate`, { expires: null })).toMatchObject({ expires: null });
  });

  test("is refused for a key that is rotated or does not exist", async () => {
    const { key } = await issued("/keys", CARDS);
    await issued(`/keys/${key}/rotate`);
    const again = await admin.fetch(`/keys/${key}/rotate`, { method: "POST" });
    expect((await problemOf(again)).slice(0, 2)).toEqual([409, "key-ended"]);
    const missing = await admin.fetch("/keys/aaaaaaaaaaaa/rotate", { method: "POST" });
    expect((await problemOf(missing)).slice(0, 2)).toEqual([404, "key-not-found"]);
  });
});

test("a revocation ends the key at once, may be repeated, and leaves the successor", async () => {
  await admin.append("a", { type: "A" });
  const old = await issued("/keys", CARDS);
  const next = await issued(`/keys/${old.key}/rotate`);
  for (let time = 1; time <= 2; time += 1) {
    const response = await admin.fetch(`/keys/${old.key}`, { method: "DELETE" });
    expect(response.status).toBe(200);
    expect((await response.json()) as ApiKey).toMatchObject({ key: old.key, status: "revoked" });
  }
  expect([await statusWith(old.token), await statusWith(next.token)]).toEqual([401, 200]);
  const missing = await admin.fetch("/keys/aaaaaaaaaaaa", { method: "DELETE" });
  expect((await problemOf(missing)).slice(0, 2)).toEqual([404, "key-not-found"]);
});

test("only the grant admin allows operations on keys, whether the key exists or not", async () => {
  const other = await createTestKey(app, ["manage:/feeds", "manage:/subscriptions", "read:/events"]);
  const calls: readonly (readonly [string, RequestInit])[] = [
    ["/keys", {}],
    ["/keys", jsonPost(CARDS)],
    ...[admin.id, "aaaaaaaaaaaa"].flatMap((id): readonly (readonly [string, RequestInit])[] => [
      [`/keys/${id}`, {}],
      [`/keys/${id}`, { method: "DELETE" }],
      [`/keys/${id}/rotate`, { method: "POST" }],
    ]),
  ];
  for (const [path, init] of calls) {
    expect([path, (await app.fetch(path, init)).status]).toEqual([path, 401]);
    const refused = await other.fetch(path, init);
    expect([path, refused.status]).toEqual([path, 403]);
    expect((await refused.json()) as Problem).toMatchObject({ needs: "admin" });
  }
});

test("the first key of an open store is not created over HTTP, where anyone might close the store to others", async () => {
  const open = await openApp();
  const refused = await open.fetch("/keys", jsonPost({ name: "mine", grants: ["admin"] }));
  expect((await problemOf(refused)).slice(0, 2)).toEqual([403, "forbidden"]);
  expect(await open.get<object>("/keys")).toEqual({ keys: [] });
  await open.close();
});

test("each change of a key is an entry in the log of administration, with its author and without its token", async () => {
  const { key } = await issued("/keys", CARDS);
  const { key: successor } = await issued(`/keys/${key}/rotate`);
  await admin.fetch(`/keys/${successor}`, { method: "DELETE" });
  // Neither has an effect.
  await admin.fetch(`/keys/${successor}`, { method: "DELETE" });
  await admin.fetch(`/keys/${key}/rotate`, { method: "POST" });
  const entries = await admin.get("/operations");
  expect(entries.map(({ subject, type, data }) => [subject, type, data])).toEqual([
    [`/keys/${key}`, "kilde.key.created", { principal: "root", ...CARDS }],
    [`/keys/${key}`, "kilde.key.rotated", { principal: "root", name: "cards", successor }],
    [`/keys/${successor}`, "kilde.key.revoked", { principal: "root", name: "cards" }],
  ]);
  expect(JSON.stringify(entries)).not.toContain("kilde_");
});
