import type { z } from "zod";

import { KildeError } from "../core/errors.ts";
import type { ExpectedVersion, NewEvent } from "../core/event.ts";
import { depthAtMost } from "../core/json-scan.ts";
import { type JsonText, parseJson } from "../core/json.ts";
import type { Limits } from "../core/limits.ts";
import { exceedsBytes } from "../core/names.ts";
import { readText } from "./body.ts";
import { isPlainAppend } from "./plain-append.ts";
import { validationError } from "./problems.ts";
import type { Schemas } from "./schemas.ts";

/*
 * From a body, in one of its formats, to events: checked against the schema, within the limits, and with the text of
 * `data` taken from the body.
 */

/** Arrays and objects around `data` in the deepest body format. */
const ENVELOPE_DEPTH = 6;

type Path = readonly (string | number)[];

export interface Incoming {
  readonly events: readonly NewEvent[];
  readonly expectedVersion: ExpectedVersion | undefined;
}

export interface IncomingPart extends Incoming {
  readonly subject: string;
}

interface Reading {
  readonly limits: Limits;
  readonly schemas: Schemas;
}

function dataText(json: JsonText, path: Path, data: unknown, limits: Limits): string | null {
  if (data === undefined) return null;
  const text = json.textAt(path, data);
  const refuse = (limit: "eventBytes" | "jsonDepth", detail: string) => {
    const pointer = `/${path.join("/")}`;
    return new KildeError("limit-exceeded", `${pointer}: ${detail}`, {
      limit,
      errors: [{ pointer, detail }],
    });
  };
  if (exceedsBytes(text, limits.eventBytes)) {
    throw refuse("eventBytes", `The data is larger than ${limits.eventBytes} bytes`);
  }
  if (json.depthAtMost > limits.jsonDepth && depthAtMost(text, limits.jsonDepth) > limits.jsonDepth) {
    throw refuse("jsonDepth", `The data is nested deeper than ${limits.jsonDepth} arrays and objects`);
  }
  return text;
}

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw validationError("invalid-body", result.error.issues);
  return result.data;
}

function refuseTooMany(count: number, limits: Limits): void {
  if (count <= limits.eventsPerAppend) return;
  throw new KildeError(
    "limit-exceeded",
    `${count} events are more than ${limits.eventsPerAppend} in one append`,
    {
      limit: "eventsPerAppend",
    },
  );
}

function boundedExtensions(members: readonly string[], limits: Limits): string | null {
  if (members.length === 0) return null;
  const text = `{${members.join(",")}}`;
  if (exceedsBytes(text, limits.metadataBytes)) {
    throw new KildeError("limit-exceeded", `The metadata is larger than ${limits.metadataBytes} bytes`, {
      limit: "metadataBytes",
    });
  }
  return text;
}

function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

/** Metadata as CloudEvents attributes, which cannot hold objects: the free members go into one, as JSON text. */
function metadataExtensions(
  json: JsonText,
  path: Path,
  metadata: Readonly<Record<string, unknown>> | undefined,
  limits: Limits,
): string | null {
  if (metadata === undefined) return null;
  const { correlationId, causationId, traceparent, tracestate, ...free } = metadata;
  const named = { correlationid: correlationId, causationid: causationId, traceparent, tracestate };
  const members = Object.entries(named).flatMap(([name, value]) =>
    value === undefined ? [] : [member(name, value)],
  );
  const rest = Object.entries(free).map(
    ([name, value]) => `${JSON.stringify(name)}:${json.textAt([...path, name], value)}`,
  );
  if (rest.length > 0) members.push(member("metadata", `{${rest.join(",")}}`));
  return boundedExtensions(members, limits);
}

function plainEvents(
  json: JsonText,
  path: Path,
  events: Readonly<z.output<Schemas["appendBody"]>["events"]>,
  limits: Limits,
): NewEvent[] {
  return events.map(({ type, time, data, metadata }, index) => ({
    type,
    time: time ?? null,
    data: dataText(json, [...path, index, "data"], data, limits),
    extensions: metadataExtensions(json, [...path, index, "metadata"], metadata, limits),
  }));
}

/** Attributes that are the log's own to say, and those that have a column. */
const OWN_ATTRIBUTES = new Set(
  "specversion type subject time datacontenttype data id source sequence recordedtime method originid originsource".split(
    " ",
  ),
);

function cloudEventExtensions(event: Readonly<Record<string, unknown>>, limits: Limits): string | null {
  const origin = [
    member("originid", event["originid"] ?? event["id"]),
    member("originsource", event["originsource"] ?? event["source"]),
  ];
  const others = Object.entries(event).flatMap(([name, value]) =>
    OWN_ATTRIBUTES.has(name) ? [] : [member(name, value)],
  );
  return boundedExtensions([...origin, ...others], limits);
}

function cloudEvents(
  json: JsonText,
  path: Path,
  events: readonly z.output<Schemas["newCloudEvent"]>[],
  stream: string,
  limits: Limits,
): NewEvent[] {
  return events.map((event, index) => {
    const at =
      events.length === 1 && path.length === 0 && !Array.isArray(json.value) ? path : [...path, index];
    if (event.subject !== undefined && event.subject !== stream) {
      const pointer = `/${[...at, "subject"].join("/")}`;
      const detail = `The subject is ${JSON.stringify(event.subject)}, but the stream is ${JSON.stringify(stream)}`;
      throw new KildeError("invalid-body", detail, { errors: [{ pointer, detail }] });
    }
    return {
      type: event.type,
      time: event.time ?? null,
      data: dataText(json, [...at, "data"], event.data, limits),
      extensions: cloudEventExtensions(event, limits),
    };
  });
}

/** CloudEvents' binary mode: attributes are `ce-` headers, the body is the data. */
function binaryEvent(
  headers: Headers,
  text: string,
  stream: string,
  { limits, schemas }: Reading,
): NewEvent[] {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of headers) {
    if (name.startsWith("ce-")) attributes[name.slice(3)] = decodeHeader(value);
  }
  const json = text === "" ? null : parseJson(text, limits.jsonDepth);
  const event = checked(
    schemas.newCloudEvent,
    json === null ? attributes : { ...attributes, data: json.value },
  );
  const asWritten: JsonText = { value: event, depthAtMost: json?.depthAtMost ?? 0, textAt: () => text };
  return cloudEvents(asWritten, [], [event], stream, limits);
}

/** Header values are percent-encoded (CloudEvents HTTP binding, 3.1.3.2). */
function decodeHeader(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new KildeError(
      "invalid-parameter",
      `The header value ${JSON.stringify(value)} is not percent-encoded UTF-8`,
    );
  }
}

function mediaTypeOf(headers: Headers): string {
  const stated = headers.get("content-type") ?? "";
  const end = stated.indexOf(";");
  return (end === -1 ? stated : stated.slice(0, end)).trim().toLowerCase();
}

function unsupported(mediaType: string): KildeError {
  const detail = mediaType === "" ? "The request has no Content-Type" : `The media type is ${mediaType}`;
  return new KildeError("unsupported-media-type", detail);
}

/** How an append to one stream may be written: our own JSON, a CloudEvent, a batch of them, or binary mode. */
type Format = "events" | "cloudevent" | "cloudevents" | "binary";

const FORMATS = new Map<string, Format>([
  ["application/json", "events"],
  ["application/cloudevents+json", "cloudevent"],
  ["application/cloudevents-batch+json", "cloudevents"],
]);

function formatOf(headers: Headers): Format {
  const mediaType = mediaTypeOf(headers);
  if (headers.has("ce-specversion")) {
    if (mediaType === "" || /^application\/(.*\+)?json$/.test(mediaType)) return "binary";
    throw unsupported(mediaType);
  }
  const format = FORMATS.get(mediaType);
  if (format === undefined) throw unsupported(mediaType);
  return format;
}

/** Reads the body of an append to one stream. */
export async function readAppend(request: Request, stream: string, reading: Reading): Promise<Incoming> {
  const { limits, schemas } = reading;
  const { headers } = request;
  const format = formatOf(headers);
  const text = await readText(request, limits.bodyBytes);
  if (format === "binary")
    return { events: binaryEvent(headers, text, stream, reading), expectedVersion: undefined };
  const json = parseJson(text, limits.jsonDepth + ENVELOPE_DEPTH);
  switch (format) {
    case "events": {
      const { events, expectedVersion } = isPlainAppend(json.value, limits)
        ? json.value
        : checked(schemas.appendBody, json.value);
      refuseTooMany(events.length, limits);
      return { events: plainEvents(json, ["events"], events, limits), expectedVersion };
    }
    case "cloudevent": {
      const event = checked(schemas.newCloudEvent, json.value);
      return { events: cloudEvents(json, [], [event], stream, limits), expectedVersion: undefined };
    }
    case "cloudevents": {
      const events = checked(schemas.newCloudEvents, json.value);
      refuseTooMany(events.length, limits);
      return { events: cloudEvents(json, [], events, stream, limits), expectedVersion: undefined };
    }
  }
}

/** Reads the body of a transaction. */
export async function readTransaction(
  request: Request,
  { limits, schemas }: Reading,
): Promise<IncomingPart[]> {
  const mediaType = mediaTypeOf(request.headers);
  if (mediaType !== "application/json") throw unsupported(mediaType);
  const json = parseJson(await readText(request, limits.bodyBytes), limits.jsonDepth + ENVELOPE_DEPTH);
  const { appends } = checked(schemas.transactionBody, json.value);
  refuseTooMany(
    appends.reduce((sum, { events }) => sum + events.length, 0),
    limits,
  );
  return appends.map(({ stream, events, expectedVersion }, index) => ({
    subject: stream,
    expectedVersion,
    events: plainEvents(json, ["appends", index, "events"], events, limits),
  }));
}
