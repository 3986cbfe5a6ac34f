import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { jsonPost, openApp, type Problem, type TestApp, type WireEvent } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { testInProcess } from "../../support/tested-on.ts";

const event = (type = "Happened", data: unknown = { n: 1 }) => ({ type, data });

forEachDeployment(["memory", "file", "sqld", "worker"], (deployment) => {
  describe(`append (${deployment.name})`, () => {
    let app: TestApp;
    let dispose: () => Promise<void>;
    let streams = 0;
    const newStream = () => `stream-${(streams += 1)}`;
    const post = (stream: string, body: unknown, headers: Record<string, string> = {}) =>
      app.fetch(`/streams/${encodeURIComponent(stream)}`, jsonPost(body, headers));

    beforeAll(async () => {
      const opened = await deployment.open();
      app = await openApp({ database: opened.database() });
      dispose = opened.dispose;
    });
    afterAll(async () => {
      await app.close();
      await dispose();
    });

    test("answers with version, position, ETag and Location", async () => {
      const stream = newStream();
      const response = await post(stream, { events: [event(), event()] });
      expect(response.status).toBe(201);
      expect(response.headers.get("etag")).toBe(`"2-${response.headers.get("kilde-log")}"`);
      expect(response.headers.get("location")).toBe(`/streams/${stream}`);
      expect(await response.json()).toMatchObject({ stream, version: 2, count: 2 });
    });

    test("versions count within a stream, positions over the log", async () => {
      const [one, two] = [newStream(), newStream()];
      const first = await app.append(one, event());
      const second = await app.append(two, event());
      const third = await app.append(one, event());
      expect([first.version, second.version, third.version]).toEqual([1, 1, 2]);
      expect([second.position - first.position, third.position - second.position]).toEqual([1, 1]);
    });

    const expectations: [name: string, expected: unknown, existing: number, status: number][] = [
      ["0 on a new stream", 0, 0, 201],
      ["0 on an old stream", 0, 2, 409],
      ["the version", 2, 2, 201],
      ["a lower version", 1, 2, 409],
      ["a higher version", 3, 2, 409],
      ["exists on an old stream", "exists", 1, 201],
      ["exists on a new stream", "exists", 0, 409],
      ["any on a new stream", "any", 0, 201],
      ["any on an old stream", "any", 1, 201],
    ];
    for (const [name, expectedVersion, existing, status] of expectations) {
      test(`expected version: ${name} gives ${status}`, async () => {
        const stream = newStream();
        if (existing > 0) await app.append(stream, ...Array.from({ length: existing }, () => event()));
        const response = await post(stream, { events: [event()], expectedVersion });
        expect(response.status).toBe(status);
        if (status !== 409) return;
        const problem = (await response.json()) as Problem;
        expect(problem).toMatchObject({ type: "/problems/version-conflict", currentVersion: existing });
        const after = await app.fetch(`/streams/${stream}`);
        expect(after.status === 404 ? 0 : ((await after.json()) as unknown[]).length).toBe(existing);
      });
    }

    const preconditions: [headers: Record<string, string>, existing: number, status: number][] = [
      [{ "if-match": '"2"' }, 2, 201],
      [{ "if-match": 'W/"2"' }, 2, 201],
      [{ "if-match": '"1"' }, 2, 412],
      [{ "if-match": "*" }, 1, 201],
      [{ "if-match": "*" }, 0, 412],
      [{ "if-none-match": "*" }, 0, 201],
      [{ "if-none-match": "*" }, 1, 412],
      [{ "if-match": "2" }, 2, 400],
      [{ "if-none-match": '"2"' }, 2, 400],
      [{ "if-none-match": "*", "if-match": "*" }, 2, 400],
    ];
    for (const [headers, existing, status] of preconditions) {
      test(`${JSON.stringify(headers)} at version ${existing} gives ${status}`, async () => {
        const stream = newStream();
        if (existing > 0) await app.append(stream, ...Array.from({ length: existing }, () => event()));
        const response = await post(stream, { events: [event()] }, headers);
        expect(response.status).toBe(status);
        if (status === 412) expect(response.headers.get("etag")).toStartWith(`"${existing}-`);
      });
    }

    test("a header and the body do not both state the expected version", async () => {
      const response = await post(
        newStream(),
        { events: [event()], expectedVersion: 0 },
        { "if-none-match": "*" },
      );
      expect(response.status).toBe(400);
    });

    test("one of concurrent appends that expect the same version wins", async () => {
      const stream = newStream();
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, n) =>
          post(stream, { events: [event("Raced", n)], expectedVersion: 0 }),
        ),
      );
      expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
      expect(all.filter(({ status }) => status === 409)).toHaveLength(19);
    });

    testInProcess("a chain of appends in one group sees the ones before", async () => {
      const stream = newStream();
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, n) => post(stream, { events: [event()], expectedVersion: n })),
      );
      expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201));
    });

    describe("transactions", () => {
      const transact = (appends: unknown[], headers: Record<string, string> = {}) =>
        app.fetch("/transactions", jsonPost({ appends }, headers));

      test("append to several streams in order, the same one twice", async () => {
        const [one, two] = [newStream(), newStream()];
        const head = await app.store.reader.head();
        const response = await transact([
          { stream: one, events: [event("A")] },
          { stream: two, events: [event("B")] },
          { stream: one, events: [event("C")], expectedVersion: 1 },
        ]);
        expect(response.status).toBe(201);
        expect(await response.json()).toEqual({
          results: [
            { stream: one, version: 1, position: head + 1, count: 1 },
            { stream: two, version: 1, position: head + 2, count: 1 },
            { stream: one, version: 2, position: head + 3, count: 1 },
          ],
          position: head + 3,
        });
        const events = await app.get(`/events?lastEventId=${head}`);
        expect(events.map(({ type }) => type)).toEqual(["A", "B", "C"]);
      });

      test("write nothing when one of the streams is not as expected", async () => {
        const [one, two] = [newStream(), newStream()];
        await app.append(two, event());
        const head = await app.store.reader.head();
        const response = await transact([
          { stream: one, events: [event()] },
          { stream: two, events: [event()], expectedVersion: 0 },
        ]);
        expect(response.status).toBe(409);
        expect(await response.json()).toMatchObject({ stream: two, currentVersion: 1 });
        expect(await app.store.reader.head()).toBe(head);
        expect((await app.fetch(`/streams/${one}`)).status).toBe(404);
      });
    });

    describe("idempotency keys", () => {
      const keyed = (stream: string, key: string, body: unknown) =>
        post(stream, body, { "idempotency-key": key });

      test("give the first answer again", async () => {
        const stream = newStream();
        const first = await keyed(stream, "retry", { events: [event(), event()] });
        await app.append(stream, event());
        const second = await keyed(stream, "retry", { events: [event(), event()] });
        expect(first.headers.get("idempotency-replayed")).toBeNull();
        expect(second.headers.get("idempotency-replayed")).toBe("true");
        expect(await second.json()).toEqual(await first.json());
        expect(await app.get(`/streams/${stream}`)).toHaveLength(3);
      });

      test("give it to requests that race the original", async () => {
        const stream = newStream();
        const all = await Promise.all(
          Array.from({ length: 10 }, () => keyed(stream, "raced", { events: [event()] })),
        );
        const bodies = await Promise.all(all.map((response) => response.json()));
        for (const body of bodies) expect(body).toEqual(bodies[0]);
        expect(await app.get(`/streams/${stream}`)).toHaveLength(1);
      });

      test("give it although the stream has moved on from the expected version", async () => {
        const stream = newStream();
        const body = { events: [event()], expectedVersion: 0 };
        await keyed(stream, "moved on", body);
        await app.append(stream, event());
        expect((await keyed(stream, "moved on", body)).status).toBe(201);
      });

      test("return the first answer to a caller that can no longer repeat the request", async () => {
        const [one, two] = [newStream(), newStream()];
        const appends = [
          { stream: one, events: [event(), event()] },
          { stream: two, events: [event()] },
        ];
        const answer = await app.fetch(
          "/transactions",
          jsonPost({ appends }, { "idempotency-key": "plain" }),
        );
        expect(answer.status).toBe(201);
        expect(await app.get<unknown>("/appends/plain")).toEqual(await answer.json());
        const unknown = await app.fetch(`/appends/${encodeURIComponent("never/ø")}`);
        expect(unknown.status).toBe(404);
        expect(((await unknown.json()) as Problem).type).toBe("/problems/append-not-found");
        expect((await app.fetch(`/appends/${"x".repeat(257)}`)).status).toBe(400);
      });

      test("are refused for another request", async () => {
        const stream = newStream();
        await keyed(stream, "other", { events: [event()] });
        const responses = [
          await keyed(stream, "other", { events: [event("Other")] }),
          await keyed(newStream(), "other", { events: [event()] }),
          await keyed(stream, "other", { events: [event()], expectedVersion: 1 }),
        ];
        for (const response of responses) {
          expect(response.status).toBe(422);
          expect(await response.json()).toMatchObject({ type: "/problems/idempotency-key-reused" });
        }
        expect(await app.get(`/streams/${stream}`)).toHaveLength(1);
      });

      test("are not used up by an append that was refused", async () => {
        const stream = newStream();
        const body = { events: [event()], expectedVersion: 1 };
        expect((await keyed(stream, "refused", body)).status).toBe(409);
        await app.append(stream, event());
        expect((await keyed(stream, "refused", body)).status).toBe(201);
      });
    });

    describe("CloudEvents", () => {
      const cloudEvent = {
        specversion: "1.0",
        id: "a1",
        source: "/orders",
        type: "Placed",
        data: { total: 1 },
      };
      const send = (
        stream: string,
        body: unknown,
        contentType: string,
        headers: Record<string, string> = {},
      ) => app.fetch(`/streams/${stream}`, jsonPost(body, { ...headers, "content-type": contentType }));

      test("one keeps its attributes, and its id and source as origin", async () => {
        const stream = newStream();
        const body = {
          ...cloudEvent,
          subject: stream,
          time: "2020-02-03T04:05:06+01:00",
          comexampleflag: true,
        };
        const response = await send(stream, body, "application/cloudevents+json; charset=utf-8");
        expect(response.status).toBe(201);
        const [stored] = await app.get(`/streams/${stream}`);
        expect(stored).toMatchObject({
          specversion: "1.0",
          source: "/events",
          subject: stream,
          type: "Placed",
          time: "2020-02-03T04:05:06+01:00",
          sequence: "0000000000000001",
          originid: "a1",
          originsource: "/orders",
          comexampleflag: true,
          datacontenttype: "application/json",
          data: { total: 1 },
        });
        expect(stored?.["recordedtime"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      });

      test("a batch is appended whole, and events that were read can be appended again", async () => {
        const [one, two] = [newStream(), newStream()];
        const batch = [cloudEvent, { ...cloudEvent, id: "a2" }];
        expect((await send(one, batch, "application/cloudevents-batch+json")).status).toBe(201);
        const read = await app.get(`/streams/${one}`);
        const again = read.map((copy) => ({ ...copy, subject: two }));
        expect((await send(two, again, "application/cloudevents-batch+json")).status).toBe(201);
        const copies = await app.get(`/streams/${two}`);
        const essence = ({ type, data, originid, sequence }: WireEvent) => ({
          type,
          data,
          originid,
          sequence,
        });
        expect(copies.map(essence)).toEqual(read.map(essence));
      });

      test("binary mode takes attributes from headers", async () => {
        const stream = newStream();
        const headers = { "ce-specversion": "1.0", "ce-id": "b", "ce-source": "/s", "ce-type": "Caf%C3%A9" };
        const response = await send(stream, '{"total": 1.50}', "application/json", headers);
        expect(response.status).toBe(201);
        const text = await (await app.fetch(`/streams/${stream}`)).text();
        expect(text).toContain('"type":"Café"');
        expect(text).toContain('"data":{"total":1.50}');
      });

      const bad: [name: string, change: Record<string, unknown>][] = [
        ["another version", { specversion: "0.3" }],
        ["no id", { id: undefined }],
        ["another subject", { subject: "somebody-else" }],
        ["an invalid attribute name", { "not-a-name": "x" }],
        ["an attribute that is an object", { ext: { a: 1 } }],
        ["binary data", { data: undefined, data_base64: "AAAA" }],
        ["data that is not JSON", { datacontenttype: "text/xml" }],
      ];
      for (const [name, change] of bad) {
        test(`refuses ${name}`, async () => {
          const response = await send(
            newStream(),
            { ...cloudEvent, ...change },
            "application/cloudevents+json",
          );
          expect(response.status).toBe(422);
          expect(((await response.json()) as Problem).errors).not.toBeEmpty();
        });
      }
    });

    test("data is handed through as it was written, but for whitespace between tokens", async () => {
      const stream = newStream();
      const data =
        '{\n"big": 12345678901234567890.123456789,\r\n\t"exp":1E400,"esc":"\\u00e9\\/ \\n", "z": 1.0,\r"n":-0 }';
      const metadata = '{"amount": 1.50}';
      const body = `{"events":[{"type":"Written","data":${data},"metadata":${metadata}}]}`;
      expect((await post(stream, body)).status).toBe(201);
      const compact =
        '{"big":12345678901234567890.123456789,"exp":1E400,"esc":"\\u00e9\\/ \\n","z":1.0,"n":-0}';
      for (const accept of ["application/json", "application/x-ndjson"]) {
        const text = await (await app.fetch(`/streams/${stream}`, { headers: { accept } })).text();
        expect(text).toContain(`"data":${compact}}`);
        expect(text).toContain(JSON.stringify('{"amount":1.50}'));
      }
    });

    test("every JSON value is data, and there may be none", async () => {
      const stream = newStream();
      const values = [null, true, 0, "", [], {}, [[]], "\u2028", { ["__proto__"]: 1 }];
      await app.append(stream, ...values.map((data) => event("Some", data)), { type: "None" });
      const events = await app.get(`/streams/${stream}`);
      expect(events.slice(0, -1).map(({ data }) => data)).toEqual(values);
      expect(Object.keys(events.at(-1) ?? {})).not.toContain("data");
    });

    test("metadata comes back as attributes, its free members as text", async () => {
      const stream = newStream();
      const metadata = {
        correlationId: "c",
        causationId: "7",
        traceparent: "00-a-b-01",
        user: { id: 1 },
        Odd: [1],
      };
      await app.append(stream, { type: "Known", metadata });
      const [stored] = await app.get(`/streams/${stream}`);
      expect(stored).toMatchObject({ correlationid: "c", causationid: "7", traceparent: "00-a-b-01" });
      expect(JSON.parse(String(stored?.["metadata"]))).toEqual({ user: { id: 1 }, Odd: [1] });
    });

    test("names of any script and with any punctuation are whole", async () => {
      const names = ["a/b", "å b", "日本", 'quo"te\\', "100%", "a?b#c", "😀", "~.-_", "a:b;c=d&e+f"];
      for (const name of names) {
        const stream = `${newStream()} ${name}`;
        await app.append(stream, { type: name, data: { name } });
        const [stored] = await app.get(`/streams/${encodeURIComponent(stream)}`);
        expect(stored).toMatchObject({ subject: stream, type: name });
      }
    });
  });
});
