import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";

import fc from "fast-check";
import { createClient, type KildeEvent } from "kilde/client";
import { receive } from "kilde/webhook";

import { KILDE_ATTRIBUTES } from "../../src/core/attributes.ts";
import { eventOf, type WireEvent } from "../../src/core/read-event.ts";
import { TEST_SECRET_KEY } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { gaps, type WrittenJson, writtenJson, writtenObject } from "../support/written-json.ts";
import { SECRET } from "../webhooks/receive/support.ts";
import { cleanUp, emptyFolder, serve, type Served } from "./support.ts";

/**
 * An event that is accepted in any format is returned with the same value in every other: random events are appended
 * in all modes to a server, read in all of its formats, exported and imported, backed up and restored.
 */

cleanUp();

const receivers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((server) => server.stop(true)));
});

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 60);
const SEED = Number(process.env["PROPERTY_SEED"] ?? Date.now() % 2 ** 31);

type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The value of an event, in any format. */
interface Expected {
  readonly type: string;
  readonly stream: string;
  /** Absent: when it was recorded. */
  readonly time: string | undefined;
  /** Compact JSON text; absent for an event without data. */
  readonly data: string | undefined;
  readonly metadata: unknown;
  readonly attributes: Attributes;
}

/** A request that appends, and the events that it appends. */
interface Append {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly expected: readonly Expected[];
}

const text = fc.oneof(
  fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
  fc.constantFrom('quote " \\ %41', "line\nbreak\r", "æ€😀", "\u2028", "{}", "5"),
);
const stream = fc.constantFrom("user-1", "a/b", "ø 1", "%41", 'q"\\');
const type = fc.constantFrom("Plain", 'Quoted "', "Æ", "a\\nb", "kilde", "100%");
const time = fc.constantFrom(
  undefined,
  undefined,
  "2020-02-03T04:05:06+01:00",
  "2026-01-31T12:00:00.123456789Z",
);
const data = fc.option(writtenJson, { nil: undefined });
const reserved = new Set([
  ...Object.keys(KILDE_ATTRIBUTES),
  ...Object.values(KILDE_ATTRIBUTES),
  ..."specversion id source type subject time data dataschema datacontenttype metadata originmetadata originid originsource correlationid causationid traceparent tracestate".split(
    " ",
  ),
]);
const attributeName = fc
  .oneof(fc.stringMatching(/^[a-z0-9]{1,20}$/), fc.constantFrom("constructor", "tostring", "0", "tenant"))
  .filter((name) => !reserved.has(name));
const attributeValue = fc.oneof(
  text,
  fc.constant(""),
  fc.boolean(),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
);
const content = fc.constantFrom(
  undefined,
  undefined,
  "application/json",
  "application/vnd.a+json; v=1",
  "text/b+json",
);
/** Without the default, which is the same as none. */
const stated = (contentType: string | undefined): Attributes =>
  contentType === undefined || contentType === "application/json" ? {} : { datacontenttype: contentType };

const named = fc.record(
  { correlationId: text, causationId: text, traceparent: text, tracestate: text },
  { requiredKeys: [] },
);
const freeName = fc
  .oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom("__proto__", "tenant", "metadata", "id", "a\nb", "correlationid"),
  )
  .filter((name) => !["correlationId", "causationId", "traceparent", "tracestate"].includes(name));
const free = fc.uniqueArray(fc.tuple(freeName, writtenJson), { selector: ([name]) => name, maxLength: 3 });

const parsed = (json: string) => JSON.parse(json) as unknown;

/** Kilde's own JSON: the text of an event, and what it is. */
const ownEvent = fc
  .record({
    type,
    time,
    data,
    gaps,
    metadata: fc.option(fc.tuple(named, free), { nil: undefined }),
    attributes: fc.option(fc.tuple(fc.dictionary(attributeName, attributeValue, { maxKeys: 4 }), content), {
      nil: undefined,
    }),
  })
  .map(
    ({
      metadata,
      attributes,
      gaps: around,
      ...event
    }): { text: string; expected: Omit<Expected, "stream"> } => {
      const members: [string, WrittenJson][] = [];
      const add = (name: string, json: string) => members.push([name, { spaced: json, compact: json }]);
      add("type", JSON.stringify(event.type));
      if (event.time !== undefined) add("time", JSON.stringify(event.time));
      if (event.data !== undefined) members.push(["data", event.data]);
      const all = metadata && [
        ...Object.entries(metadata[0]).map(
          ([name, value]) =>
            [name, { spaced: JSON.stringify(value), compact: JSON.stringify(value) }] as const,
        ),
        ...metadata[1],
      ];
      const metadataText = all && writtenObject(all, around);
      if (metadataText !== undefined) members.push(["metadata", metadataText]);
      const [extensions, contentType] = attributes ?? [{}, undefined];
      if (attributes !== undefined) {
        add(
          "attributes",
          JSON.stringify(
            contentType === undefined ? extensions : { ...extensions, datacontenttype: contentType },
          ),
        );
      }
      return {
        text: writtenObject(members, around).spaced,
        expected: {
          type: event.type,
          time: event.time,
          data: event.data?.compact,
          metadata: parsed(metadataText?.compact ?? "{}"),
          attributes: { ...extensions, ...stated(contentType) },
        },
      };
    },
  );

const ownAppend = fc
  .tuple(stream, fc.array(ownEvent, { minLength: 1, maxLength: 3 }))
  .map(([name, events]): Append => ({
    path: `/streams/${encodeURIComponent(name)}`,
    headers: { "content-type": "application/json" },
    body: `{"events" :[${events.map((event) => event.text).join(",\n")}]}`,
    expected: events.map(({ expected }) => ({ ...expected, stream: name })),
  }));

const transaction = fc
  .array(fc.tuple(stream, fc.array(ownEvent, { minLength: 1, maxLength: 2 })), { minLength: 1, maxLength: 3 })
  .map((appends): Append => ({
    path: "/transactions",
    headers: { "content-type": "application/json; charset=utf-8" },
    body: `{"appends":[${appends
      .map(
        ([name, events]) =>
          `\n{"stream":${JSON.stringify(name)},"events":[${events.map((event) => event.text).join(" , ")}]}`,
      )
      .join(",")}]}`,
    expected: appends.flatMap(([name, events]) =>
      events.map(({ expected }) => ({ ...expected, stream: name })),
    ),
  }));

/** Attributes of a CloudEvent, and what they are kept as. */
const cloudAttributes = fc
  .record({
    own: fc.record(
      { correlationid: text, causationid: text, traceparent: text, tracestate: text },
      { requiredKeys: [] },
    ),
    metadata: fc.option(fc.oneof(fc.tuple(free, gaps), text), { nil: undefined }),
    others: fc.dictionary(attributeName, attributeValue, { maxKeys: 4 }),
    kilde: fc.dictionary(fc.constantFrom(...Object.keys(KILDE_ATTRIBUTES)), attributeValue, { maxKeys: 3 }),
    dataschema: fc.option(fc.constantFrom("urn:a", "#x"), { nil: undefined }),
    origin: fc.option(text, { nil: undefined }),
  })
  .map(({ own, metadata, others, kilde, dataschema, origin }) => {
    const metadataText = Array.isArray(metadata) ? writtenObject(...metadata).spaced : metadata;
    const isObject = Array.isArray(metadata) || metadata === "{}";
    const given: Attributes = {
      ...own,
      ...others,
      ...kilde,
      ...(metadataText === undefined ? {} : { metadata: metadataText }),
      ...(dataschema === undefined ? {} : { dataschema }),
      ...(origin === undefined ? {} : { originid: origin, originsource: "/first" }),
    };
    const names: Record<string, string> = { correlationid: "correlationId", causationid: "causationId" };
    const kept = Object.entries(kilde).map(([name, value]) => [
      KILDE_ATTRIBUTES[name as keyof typeof KILDE_ATTRIBUTES],
      value,
    ]);
    return {
      given,
      metadata: {
        ...(isObject ? (parsed(metadataText ?? "{}") as object) : {}),
        ...Object.fromEntries(Object.entries(own).map(([name, value]) => [names[name] ?? name, value])),
      },
      attributes: (id: string): Attributes => ({
        ...others,
        ...(dataschema === undefined ? {} : { dataschema }),
        ...(metadataText === undefined || isObject ? {} : { originmetadata: metadataText }),
        ...(origin === undefined
          ? { originid: id, originsource: "/shop", ...(Object.fromEntries(kept) as Attributes) }
          : { originid: origin, originsource: "/first" }),
      }),
    };
  });

const cloudEvent = fc.record({
  id: text,
  type,
  time,
  data,
  contentType: content,
  attributes: cloudAttributes,
  gaps,
});

function structured(
  name: string,
  event: typeof cloudEvent extends fc.Arbitrary<infer Event> ? Event : never,
) {
  const { id, contentType, attributes, gaps: around } = event;
  const given = {
    specversion: "1.0",
    id,
    source: "/shop",
    type: event.type,
    ...attributes.given,
    ...(event.time === undefined ? {} : { time: event.time }),
    ...(contentType === undefined ? {} : { datacontenttype: contentType }),
  };
  const members = Object.entries(given).map(([member, value]): [string, WrittenJson] => {
    const json = JSON.stringify(value);
    return [member, { spaced: json, compact: json }];
  });
  if (event.data !== undefined) members.push(["data", event.data]);
  const expected: Expected = {
    type: event.type,
    stream: name,
    time: event.time,
    data: event.data?.compact,
    metadata: attributes.metadata,
    attributes: { ...attributes.attributes(id), ...stated(contentType) },
  };
  return { text: writtenObject(members, around).spaced, expected };
}

const structuredAppend = fc.tuple(stream, cloudEvent).map(([name, event]): Append => {
  const written = structured(name, event);
  return {
    path: `/streams/${encodeURIComponent(name)}`,
    headers: {
      "content-type": "application/cloudevents+json",
      "ce-specversion": "1.0",
      "ce-type": "Ignored",
    },
    body: written.text,
    expected: [written.expected],
  };
});

const batchAppend = fc
  .tuple(stream, fc.array(cloudEvent, { minLength: 1, maxLength: 3 }))
  .map(([name, events]): Append => {
    const written = events.map((event) => structured(name, event));
    return {
      path: `/streams/${encodeURIComponent(name)}`,
      headers: { "content-type": "application/cloudevents-batch+json; charset=utf-8" },
      body: `[ ${written.map((each) => each.text).join("\r\n,")}]`,
      expected: written.map(({ expected }) => expected),
    };
  });

/** A header's value, in one of the two ways of writing it. */
function headerValue(value: string, quoted: boolean): string {
  const escaped = encodeURIComponent(value);
  return quoted ? `"${escaped.replaceAll("%20", " ").replaceAll("%22", String.raw`\"`)}"` : escaped;
}

const texts = (attributes: Attributes): Attributes =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name, String(value)]));

const binaryAppend = fc.tuple(stream, cloudEvent, fc.boolean()).map(([name, event, quoted]): Append => {
  const { id, attributes, contentType } = event;
  const context = { specversion: "1.0", id, source: "/shop", type: event.type, ...texts(attributes.given) };
  const headers = Object.entries(context).map(([attribute, value]) => [
    `ce-${attribute}`,
    headerValue(value, quoted),
  ]);
  // The content type is the event's, also where it has no data; text/… is not binary JSON here.
  const stateable = contentType?.startsWith("application/") === true ? contentType : "application/json";
  return {
    path: `/streams/${encodeURIComponent(name)}`,
    headers: { ...(Object.fromEntries(headers) as Record<string, string>), "content-type": stateable },
    body: event.data?.spaced ?? "",
    expected: [
      {
        type: event.type,
        stream: name,
        time: undefined,
        data: event.data?.compact,
        metadata: attributes.metadata,
        attributes: { ...texts(attributes.attributes(id)), ...stated(stateable) },
      },
    ],
  };
});

/** Bodies above 1 MiB are read in another way: some are made so large, by whitespace that means nothing. */
const anyAppend = fc
  .tuple(fc.oneof(ownAppend, transaction, structuredAppend, batchAppend, binaryAppend), fc.nat(9))
  .map(([append, one]): Append => {
    if (one > 0 || append.body === "") return append;
    const start = /^\s*(?:\{"(?:events|appends)"\s*:\s*\[|[[{])?/.exec(append.body)?.[0] ?? "";
    return { ...append, body: start + " \n".repeat(600_000) + append.body.slice(start.length) };
  });

const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const types = ${JSON.stringify(["Plain", 'Quoted "', "Æ", "a\\nb", "100%"])};
const feed = defineFeed({
  name: "copies",
  version: 1,
  events: Object.fromEntries(types.map((type) => [type, z.unknown()])),
  contract: { Copy: z.unknown() },
  publish: Object.fromEntries(types.map((type) => [type, ({ data }) => ({ type: "Copy", data })])),
});
export default defineConfig({ feeds: [feed] });
`;

/**
 * The parts of an event that a round trip keeps. Data is compared as text where the format shows text, and as a value
 * otherwise.
 */
function essence({
  type: eventType,
  subject: name,
  time: at,
  recordedTime,
  metadata,
  attributes,
}: KildeEvent) {
  return {
    type: eventType,
    stream: name,
    time: at === recordedTime ? undefined : at,
    // As text: comparing would pass over a member named __proto__.
    metadata: sortedText(metadata),
    attributes: sortedText(attributes),
  };
}

function sortedText(members: unknown): string {
  return JSON.stringify(Object.entries(members as object).sort(([one], [two]) => (one < two ? -1 : 1)));
}

const described = (expected: readonly Expected[]) =>
  expected.map(({ type: eventType, stream: name, time: at, metadata, attributes, data: json }) => ({
    type: eventType,
    stream: name,
    time: at,
    metadata: sortedText(metadata),
    attributes: sortedText(attributes),
    data: json,
  }));

/** An event's text on the wire, with its data as text: the last member but for that of a delivery. */
function fromText(line: string) {
  const event = eventOf(JSON.parse(line) as WireEvent);
  const json = /,"data":(.*?)(?:,"previoussequence":"\d+")?\}$/s.exec(line)?.[1];
  return { ...essence(event), data: "data" in (JSON.parse(line) as object) ? json : undefined };
}

function linesOf(text_: string): string[] {
  return text_.split("\n").filter((line) => line !== "");
}

/** The data of a log's first server-sent events. */
async function follow(server: Served, count: number): Promise<string[]> {
  const stop = new AbortController();
  const response = await fetch(`${server.url}/events?lastEventId=0`, {
    headers: { accept: "text/event-stream" },
    signal: stop.signal,
  });
  const sent: string[] = [];
  let rest = "";
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const messages = (rest + chunk).split("\n\n");
    rest = messages.pop() ?? "";
    for (const message of messages) {
      const line = message.split("\n").find((field) => field.startsWith("data: "));
      if (line !== undefined) sent.push(line.slice("data: ".length));
    }
    if (sent.length >= count) break;
  }
  stop.abort();
  return sent;
}

async function deliveries(server: Served, mode: string, count: number): Promise<string[]> {
  const lines: string[] = [];
  const receiver = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const body = await request.clone().text();
      const delivery = await receive(request, [SECRET]);
      if (delivery.kind !== "events") return new Response(null, { status: 204 });
      lines.push(...(mode === "batch" ? body.slice(1, -1).split(/,(?=\{"specversion":)/) : [body]));
      return new Response(null, { status: 204 });
    },
  });
  receivers.push(receiver);
  const hook = `http://127.0.0.1:${receiver.port}/hook`;
  const args = [
    "webhooks",
    "create",
    "/events",
    hook,
    "--from",
    "beginning",
    "--secret",
    SECRET,
    "--mode",
    mode,
  ];
  const created = await server.kilde(args);
  expect(created.stderr).toBe("");
  await eventually(() => lines.length >= count);
  return lines.sort(
    (one, two) => Number(/"id":"(\d+)"/.exec(one)?.[1]) - Number(/"id":"(\d+)"/.exec(two)?.[1]),
  );
}

async function ndjson(server: Served): Promise<string[]> {
  const accept = "application/x-ndjson";
  return linesOf(await (await fetch(`${server.url}/events?limit=10000`, { headers: { accept } })).text());
}

test(`an event accepted in any mode is returned with the same value in every format (PROPERTY_SEED=${SEED})`, async () => {
  const cwd = emptyFolder();
  await Bun.write(join(cwd, "kilde.config.ts"), CONFIG);
  const server = await serve(cwd, ["--database-url", "file:kilde.db"], {
    environment: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
  });
  const accepted: Expected[] = [];
  for (const { path, headers, body, expected } of fc.sample(anyAppend, { numRuns: RUNS, seed: SEED })) {
    const response = await fetch(server.url + path, { method: "POST", headers, body });
    if (response.status !== 201) {
      throw new Error(`${await response.text()}\n${JSON.stringify(headers)}\n${body}`);
    }
    accepted.push(...expected);
  }
  const wanted = described(accepted);

  const lines = await ndjson(server);
  expect(lines.map(fromText)).toEqual(wanted);
  const page = await (await fetch(`${server.url}/events?limit=10000`)).text();
  expect(page.slice(1, -1).split(",\n").map(fromText)).toEqual(wanted);
  expect((await follow(server, wanted.length)).map(fromText)).toEqual(wanted);

  const client = createClient({ url: server.url });
  const read: KildeEvent[] = [];
  for await (const event of client.read()) read.push(event);
  const value = (json: string | undefined) => (json === undefined ? undefined : JSON.stringify(parsed(json)));
  const readable = (events: readonly KildeEvent[]) =>
    events.map((event) => ({
      ...essence(event),
      data: event.data === undefined ? undefined : JSON.stringify(event.data),
    }));
  const wantedValues = wanted.map((event) => ({ ...event, data: value(event.data) }));
  expect(readable(read)).toEqual(wantedValues);

  const copied = accepted.filter(({ type: eventType }) => eventType !== "kilde");
  const copies: string[] = [];
  for await (const event of client.follow({ feed: "copies/v1", lastEventId: 0 })) {
    copies.push(JSON.stringify(event.data));
    if (copies.length === copied.length) break;
  }
  expect(copies).toEqual(copied.map((event) => value(event.data) ?? "null"));

  for (const mode of ["single", "batch"]) {
    const delivered = await deliveries(server, mode, wanted.length);
    expect(delivered.map(fromText)).toEqual(wanted);
  }

  const file = join(cwd, "all.ndjson");
  expect(await server.kilde(["export", file])).toMatchObject({ exitCode: 0 });
  const importing = await serve(emptyFolder());
  const imported = await importing.kilde(["import", file]);
  expect(imported).toMatchObject({ exitCode: 0, stderr: "" });
  // An export states when each event happened, also where that is when it was recorded.
  const untimed = (events: readonly { time: unknown }[]) => events.map((event) => ({ ...event, time: null }));
  expect(untimed((await ndjson(importing)).map(fromText))).toEqual(untimed(wanted));

  const backup = join(cwd, "backup.db");
  const environment = { KILDE_DATABASE_URL: `file:${join(cwd, "kilde.db")}` };
  expect(await server.kilde(["backup", backup], { environment })).toMatchObject({ exitCode: 0 });
  const elsewhere = emptyFolder();
  const target = { KILDE_DATABASE_URL: `file:${join(elsewhere, "restored.db")}` };
  expect(
    await server.kilde(["restore", backup, "--erasures", `${backup}.erasures.ndjson`], {
      environment: target,
    }),
  ).toMatchObject({ exitCode: 0 });
  const restored = await serve(elsewhere, ["--database-url", "file:restored.db"]);
  expect((await ndjson(restored)).map(fromText)).toEqual(wanted);
}, 120_000);
