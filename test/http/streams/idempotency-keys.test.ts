import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import fc from "fast-check";
import { createClient } from "kilde/client";

import { nameFault } from "../../../src/core/names.ts";
import { openApp, type Problem, type TestApp } from "../../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

const client = () =>
  createClient({
    url: "http://kilde.test",
    fetch: (url, init) => app.fetch(url.slice("http://kilde.test".length), init),
  });

const append = (key: string) =>
  app.fetch("/streams/keyed", {
    method: "POST",
    body: '{"events":[{"type":"A"}]}',
    headers: { "content-type": "application/json", "idempotency-key": key },
  });

const special = fc.constantFrom('%"', '"', "%", "%41", "æ", "€", "😀", " ", "/", "?", "#", "\\", ".", "a");
const key = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
    fc.array(special, { minLength: 1, maxLength: 8 }).map((parts) => parts.join("")),
  )
  .filter((text) => nameFault(text, 256) === null);

describe("an idempotency key", () => {
  test("is any text: the append is repeated once, and found again", async () => {
    const property = fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 3 }), async (keys) => {
      for (const idempotencyKey of keys) {
        const known = await client().findAppend(idempotencyKey);
        const first = await client().append("keyed", { type: "A" }, { idempotencyKey });
        if (known !== null) expect(known).toEqual([first]);
        expect(await client().append("keyed", { type: "A" }, { idempotencyKey })).toEqual(first);
        expect(await client().findAppend(idempotencyKey)).toEqual([first]);
      }
    });
    await fc.assert(property, { numRuns: 100 });
  });

  test("may be stated in a header as it is, or as a display string", async () => {
    const first = await append("plain key");
    expect((await append('%"plain key"')).headers.get("idempotency-replayed")).toBe("true");
    expect((await append("50%")).status).toBe(201);
    expect((await append('"quoted"')).status).toBe(201);
    expect((await append('%"caf%c3%a9"')).status).toBe(201);
    expect((await app.fetch(`/appends/${encodeURIComponent("café")}`)).status).toBe(200);
    expect(first.status).toBe(201);
  });

  test("is refused by the name of the header when no header can carry it, before anything is written", async () => {
    const head = await app.store.reader.head();
    for (const header of [
      "café",
      "caf\u00c3\u00a9",
      '%"caf',
      '%"caf%C3%A9"',
      '%"caf%c3"',
      '%"a%0"',
      '%"',
      '%""',
      '%"%0a"',
      '%"\u00e9"',
    ]) {
      const response = await append(header);
      const problem = (await response.json()) as Problem;
      expect([header, response.status, problem.errors?.[0]?.parameter]).toEqual([
        header,
        400,
        "Idempotency-Key",
      ]);
    }
    expect(await app.store.reader.head()).toBe(head);
  });

  test("is refused by the client when it is not Unicode, before anything is sent", async () => {
    const head = await app.store.reader.head();
    const appending = client().append("keyed", { type: "A" }, { idempotencyKey: "\ud800" });
    await expect(appending).rejects.toBeInstanceOf(TypeError);
    expect(await app.store.reader.head()).toBe(head);
  });
});

test("a consumer's name beyond ASCII is percent-encoded in its header, or refused", async () => {
  const read = (name: string) => app.fetch("/events", { headers: { "kilde-consumer": name } });
  expect((await read("caf%C3%A9")).status).toBe(200);
  const refused = await read("café");
  expect(refused.status).toBe(400);
  expect(((await refused.json()) as Problem).errors?.[0]?.parameter).toBe("Kilde-Consumer");
});
