import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import {
  isKildeAttribute,
  isMetadataAttribute,
  KILDE_ATTRIBUTES,
  PLACED_ATTRIBUTES,
} from "../../../src/core/attributes.ts";
import { eventOf, type WireEvent as ReadWire } from "../../../src/core/read-event.ts";
import { openApp, type Problem, type TestApp, type WireEvent } from "../../support/app.ts";

const EVENT = "application/cloudevents+json";
const BATCH = "application/cloudevents-batch+json";
const required = {
  specversion: "1.0",
  id: "1234-1234-1234",
  source: "/mycontext/subcontext",
  type: "com.example.someevent",
};
const ce = {
  "ce-specversion": "1.0",
  "ce-id": "1234-1234-1234",
  "ce-source": "/mycontext/subcontext",
  "ce-type": "com.example.someevent",
};

let app: TestApp;
let streams = 0;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

const newStream = () => `events-${(streams += 1)}`;

async function post(stream: string, body: unknown, headers: Record<string, string>): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return app.fetch(`/streams/${stream}`, { method: "POST", headers, body: text });
}

/** Appends, and gives what the stream then holds. */
async function accepted(body: unknown, headers: Record<string, string>): Promise<WireEvent[]> {
  const stream = newStream();
  const response = await post(stream, body, headers);
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return app.get(`/streams/${stream}`);
}

async function refused(body: unknown, headers: Record<string, string>): Promise<Problem> {
  const response = await post(newStream(), body, headers);
  expect(response.status).toBeWithin(400, 500);
  return (await response.json()) as Problem;
}

describe("the content type decides the mode", () => {
  test("a batch is a batch, whatever ce- headers come with it", async () => {
    const batch = [required, { ...required, id: "2", type: "B" }];
    const stored = await accepted(batch, { ...ce, "content-type": `${BATCH}; charset=utf-8` });
    expect(stored.map(({ type }) => type)).toEqual(["com.example.someevent", "B"]);
  });

  test("a structured event is read from the body, and not from the headers", async () => {
    const [stored] = await accepted(
      { ...required, type: "FromBody", data: { message: "Hello World!" } },
      { ...ce, "ce-type": "FromHeader", "ce-extra": "x", "content-type": `${EVENT}; charset=utf-8` },
    );
    expect(stored).toMatchObject({ type: "FromBody", data: { message: "Hello World!" } });
    expect(stored).not.toHaveProperty("extra");
  });

  test("another format of events is not taken for the data of one", async () => {
    const response = await post(newStream(), "{}", { ...ce, "content-type": "application/cloudevents+avro" });
    expect(response.status).toBe(415);
  });

  for (const contentType of [
    "application/json",
    "application/json; charset=utf-8",
    "application/vnd.a+json",
  ]) {
    test(`${contentType} with ce- headers is binary mode, and the event's datacontenttype`, async () => {
      const [stored] = await accepted('{\n    "message": "Hello World!"\n}', {
        ...ce,
        "ce-time": "2018-04-05T03:56:24Z",
        "content-type": contentType,
      });
      expect(stored).toMatchObject({
        originid: "1234-1234-1234",
        specversion: "1.0",
        type: "com.example.someevent",
        originsource: "/mycontext/subcontext",
        time: "2018-04-05T03:56:24Z",
        datacontenttype: contentType,
        data: { message: "Hello World!" },
      });
    });
  }
});

describe("header values are decoded as the binding requires", () => {
  const values: [header: string, value: string][] = [
    ["plain", "plain"],
    ['"a b"', "a b"],
    [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
    ["a%20b", "a b"],
    ["Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"],
    ["%e2%82%ac", "€"],
    ['"%41 b"', "A b"],
    ["%2541", "%41"],
    ['a"b', 'a"b'],
    ['""', ""],
  ];
  for (const [header, value] of values) {
    test(`${header} is ${value}`, async () => {
      const [stored] = await accepted("1", { ...ce, "ce-myext": header });
      expect(stored?.["myext"]).toBe(value);
    });
  }

  test("a value that is not percent-encoded UTF-8 is refused by the name of its header", async () => {
    for (const value of ["%C0%A0", "%E2%82", "100%", "æ"]) {
      const problem = await refused("1", { ...ce, "ce-myext": value });
      expect([problem.status, problem.errors?.[0]?.parameter]).toEqual([400, "ce-myext"]);
    }
  });
});

describe("binary mode", () => {
  test("takes the data from the body alone", async () => {
    for (const header of ["ce-data", "ce-data_base64", "ce-datacontenttype"]) {
      for (const body of ["", "1"]) {
        const problem = await refused(body, { ...ce, [header]: "application/json" });
        expect([problem.status, problem.errors?.[0]?.parameter]).toEqual([400, header]);
      }
    }
    const [stored] = await accepted("", ce);
    expect(stored).not.toHaveProperty("data");
  });

  test("refuses a header whose name is no attribute's", async () => {
    for (const name of ["ce-my-ext", "ce-__proto__", "ce-a.b", "ce-abcdefghijklmnopqrstu"]) {
      expect((await refused("1", { ...ce, [name]: "x" })).status).toBe(422);
    }
  });
});

describe("the JSON format", () => {
  test("null is an attribute that is not set", async () => {
    const unset = {
      datacontenttype: null,
      dataschema: null,
      subject: null,
      time: null,
      ext: null,
      metadata: null,
    };
    const [stored] = await accepted({ ...required, ...unset }, { "content-type": EVENT });
    expect(stored).toMatchObject({ originid: "1234-1234-1234", originsource: "/mycontext/subcontext" });
    for (const name of ["datacontenttype", "dataschema", "ext", "metadata"])
      expect(stored).not.toHaveProperty(name);
  });

  test("every type of extension comes back as it is", async () => {
    const extensions = {
      extinteger: 10,
      extboolean: true,
      extstring: "text",
      exturi: "https://cloudevents.io",
      exttimestamp: "2023-03-31T15:12:00Z",
      extbinary: "TWE=",
      extmin: -2_147_483_648,
      dataschema: "https://cloudevents.io/dataschema",
    };
    const [stored] = await accepted({ ...required, ...extensions }, { "content-type": EVENT });
    expect(stored).toMatchObject(extensions);
  });

  test("times with fractions and offsets are taken as given", async () => {
    for (const time of [
      "2018-04-05T17:31:00Z",
      "2018-04-05T17:31:00.000000000Z",
      "2018-04-05T18:31:00+01:00",
    ]) {
      const [stored] = await accepted({ ...required, time }, { "content-type": EVENT });
      expect(stored?.time).toBe(time);
    }
  });

  const invalid: [name: string, change: Record<string, unknown>][] = [
    ["no specversion", { specversion: undefined }],
    ["no id", { id: undefined }],
    ["no type", { type: undefined }],
    ["no source", { source: undefined }],
    ["a required attribute that is null", { id: null }],
    ["an invalid time", { time: "lunchtime" }],
    ["a time without seconds' offset", { time: "2018-04-05T18:31:00X" }],
    ["an offset out of range", { time: "2018-04-05T18:31:00+25:00" }],
    ["an offset that is no number", { time: "2018-04-05T18:31:00+xx:00" }],
    ["an offset of hours only", { time: "2018-04-05T18:31:00+05" }],
    ["an empty id", { id: "" }],
    ["an empty type", { type: "" }],
    ["an empty source", { source: "" }],
    ["an empty specversion", { specversion: "" }],
    ["an unknown specversion", { specversion: "0.9" }],
    ["an invalid media type", { datacontenttype: "xyz" }],
    ["an empty media type", { datacontenttype: "" }],
    ["an empty data schema", { dataschema: "" }],
    ["an empty subject", { subject: "" }],
    ["a numeric id", { id: 25 }],
    ["an id that is an object", { id: { xyz: "abc" } }],
    ["a name with capitals", { MyExtension: "bad" }],
    ["a name with punctuation", { "my.extension": "bad" }],
    ["a name that is JavaScript's", { ["__proto__"]: "bad" }],
    ["a fraction", { myextension: 1.5 }],
    ["an integer of more than 32 bits", { myextension: 2_147_483_648 }],
    ["an array", { myextension: [] }],
    ["data twice", { data: "text", data_base64: "eyAieHl6IjogMTIzIH0=" }],
  ];
  for (const [name, change] of invalid) {
    test(`refuses ${name}`, async () => {
      const problem = await refused({ ...required, ...change }, { "content-type": EVENT });
      expect(problem.status).toBe(422);
      expect(problem.errors?.[0]?.pointer).toMatch(/^\/\w/);
      const batch = await refused([required, { ...required, ...change }], { "content-type": BATCH });
      expect(batch.errors?.[0]?.pointer).toMatch(/^\/1\/\w/);
    });
  }
});

describe("attributes that Kilde writes", () => {
  const values = ["not json", "77", "[1]", "{", 5, true];

  for (const [name, origin] of Object.entries(KILDE_ATTRIBUTES)) {
    test(`a foreign ${name} is kept as ${origin}, in every mode`, async () => {
      for (const value of values) {
        for (const [stored] of [
          await accepted({ ...required, [name]: value }, { "content-type": EVENT }),
          await accepted([{ ...required, [name]: value }], { "content-type": BATCH }),
        ]) {
          expect(stored?.[origin]).toBe(value);
        }
        const [binary] = await accepted("1", { ...ce, [`ce-${name}`]: encodeURIComponent(String(value)) });
        expect(binary?.[origin]).toBe(String(value));
        expect(binary?.sequence).toBe("0000000000000001");
        expect(binary).not.toHaveProperty("method");
      }
    });

    test(`an append in Kilde's own format does not state ${name}`, async () => {
      const body = { events: [{ type: "A", attributes: { [name]: "77" } }] };
      const problem = await refused(body, { "content-type": "application/json" });
      expect([problem.status, problem.errors?.[0]?.pointer]).toEqual([422, `/events/0/attributes/${name}`]);
    });
  }

  test("metadata that is the JSON text of an object is the event's metadata; any other is kept as originmetadata", async () => {
    const text = '{"tenant": 7, "__proto__": {"a": 1}}';
    const [stored] = await accepted({ ...required, metadata: text }, { "content-type": EVENT });
    expect(stored?.["metadata"]).toBe(text);
    expect(eventOf(stored as unknown as ReadWire).metadata).toEqual(JSON.parse(text));
    for (const value of [...values, "[]", "null", '{"a":1,"a":2}', '{"a":"\\ud800"}', ""]) {
      const [foreign] = await accepted({ ...required, metadata: value }, { "content-type": EVENT });
      expect(foreign).not.toHaveProperty("metadata");
      expect(foreign?.["originmetadata"]).toBe(value);
    }
  });

  test("an event that another Kilde has served can be appended unchanged, and names its origin", async () => {
    const first = newStream();
    await app.append(
      first,
      { type: "A" },
      { type: "B", data: [1], time: "2026-01-31T12:00:00Z", metadata: { correlationId: "c", n: 1 } },
    );
    const [, served] = await app.get(`/streams/${first}`);
    const event = { ...served, subject: undefined };
    const [forwarded] = await accepted(
      { ...event, previoussequence: "0000000000000001" },
      { "content-type": EVENT },
    );
    expect(forwarded).toMatchObject({
      sequence: "0000000000000001",
      time: "2026-01-31T12:00:00Z",
      originid: served?.id,
      originsource: "/events",
      originsequence: "0000000000000002",
      originrecordedtime: served?.["recordedtime"],
      originprevious: "0000000000000001",
      correlationid: "c",
      metadata: '{"n":1}',
      data: [1],
    });

    const again = { ...forwarded, subject: undefined };
    const [further] = await accepted(again, { "content-type": EVENT });
    for (const name of ["originid", "originsource", "originsequence", "originrecordedtime"]) {
      expect(further?.[name]).toBe(forwarded?.[name]);
    }
  });

  test("the list names every attribute that Kilde writes in any format", async () => {
    const stream = newStream();
    await app.append(stream, {
      type: "A",
      data: 1,
      time: "2026-01-31T12:00:00Z",
      metadata: { correlationId: "c", n: 1 },
    });
    const written = await app.get(`/streams/${stream}`);
    await app.fetch(`/streams/${stream}?reason=asked`, { method: "DELETE" });
    const tombstone = await app.get(`/streams/${stream}`);
    const names = new Set([...written, ...tombstone].flatMap((event) => Object.keys(event)));
    expect(names).toContain("method");
    const unknown = [...names].filter(
      (name) =>
        !PLACED_ATTRIBUTES.has(name) &&
        !isKildeAttribute(name) &&
        !isMetadataAttribute(name) &&
        !["metadata", "datacontenttype"].includes(name),
    );
    expect(unknown).toEqual([]);
  });
});

describe("attributes of an append in Kilde's own format", () => {
  test("come back as attributes, beside the metadata", async () => {
    const attributes = {
      tenant: "a",
      flag: false,
      count: -7,
      dataschema: "urn:s",
      datacontenttype: "application/vnd.a+json",
    };
    const metadata = { tenant: "b", correlationId: "c" };
    const [stored] = await accepted(
      { events: [{ type: "A", data: { a: 1 }, metadata, attributes }] },
      { "content-type": "application/json" },
    );
    expect(stored).toMatchObject({
      ...attributes,
      correlationid: "c",
      metadata: '{"tenant":"b"}',
      data: { a: 1 },
    });
    const event = eventOf(stored as unknown as ReadWire);
    expect(event.metadata).toEqual(metadata);
    expect(event.attributes).toEqual(attributes);
  });

  const refusals: [name: string, attributes: unknown, pointer: string][] = [
    ["an object", { a: {} }, "/a"],
    ["a fraction", { a: 0.5 }, "/a"],
    ["null", { a: null }, "/a"],
    ["an invalid name", { "a-b": "x" }, "/a-b"],
    ["JavaScript's own name", JSON.parse('{"__proto__":"x"}'), "/__proto__"],
    ["the id", { id: "x" }, "/id"],
    ["data", { data: "x" }, "/data"],
    ["metadata that is no object", { metadata: "[]" }, "/metadata"],
    ["metadata beside free metadata", { metadata: "{}" }, "/metadata"],
    ["what the metadata states", { correlationid: "x" }, "/correlationid"],
    ["data that is not JSON", { datacontenttype: "text/plain" }, "/datacontenttype"],
  ];
  for (const [name, attributes, pointer] of refusals) {
    test(`cannot be ${name}`, async () => {
      const event = { type: "A", metadata: { correlationId: "c", free: 1 }, attributes };
      const problem = await refused({ events: [event] }, { "content-type": "application/json" });
      expect([problem.status, problem.errors?.[0]?.pointer]).toEqual([422, `/events/0/attributes${pointer}`]);
    });
  }
});
