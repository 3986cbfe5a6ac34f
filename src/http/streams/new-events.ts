import type { z } from "zod";

import { KildeError } from "../../core/errors.ts";
import type { ExpectedVersion, AcceptedEvent } from "../../core/event.ts";
import { jsonPointer } from "../../core/json-pointer.ts";
import { depthAtMost } from "../../core/json-scan.ts";
import { type JsonText, parseJson, type ProvedJson } from "../../core/json.ts";
import type { Limits } from "../../core/limits.ts";
import { exceedsBytes } from "../../core/names.ts";
import type { TraceContext } from "../../core/trace-context.ts";
import { appendedAttributes, cloudEventAttributes } from "./attributes.ts";
import { binaryAttributes } from "./binary-attributes.ts";
import type { BodyFault } from "./body-fault.ts";
import { isPlainAppend, isPlainTransaction } from "./plain-append.ts";
import { validationError } from "../pipeline/problems.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";

/**
 * Reads events from a body in any format: validates them, applies the limits, and takes the text of `data` from the
 * body.
 */

/** Arrays and objects around `data` in the deepest body format. */
export const ENVELOPE_DEPTH = 6;

type Path = readonly (string | number)[];

export interface Incoming {
  readonly events: readonly AcceptedEvent[];
  readonly expectedVersion: ExpectedVersion | undefined;
}

export interface IncomingPart extends Incoming {
  readonly subject: string;
  /** Only an entry of `POST /appends` has one. */
  readonly idempotencyKey?: string | undefined;
  /** Only an entry of `POST /appends` has one. */
  readonly trace?: TraceContext | null;
  /** Only an entry of `POST /appends` has one: it is refused, and the other entries are not. */
  readonly fault?: BodyFault;
}

/** The limits and schemas that bodies are read with. */
export interface ReadAppend {
  readonly limits: Limits;
  readonly schemas: RequestSchemas;
}

function dataText(json: JsonText, path: Path, data: unknown, limits: Limits): ProvedJson | null {
  if (data === undefined) return null;
  const text = json.textAt(path, data);
  const refuse = (limit: "eventBytes" | "jsonDepth", detail: string) => {
    const pointer = jsonPointer(path);
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

/**
 * Validates a value and returns the value itself, not a copy that a schema made: the stored value is the validated
 * one.
 */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.input<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw validationError("invalid-body", result.error.issues);
  return value as z.input<Schema>;
}

export function tooManyEvents({ eventsPerAppend }: Limits): KildeError {
  return new KildeError("limit-exceeded", `There are more than ${eventsPerAppend} events in one append`, {
    limit: "eventsPerAppend",
  });
}

function refuseTooMany(count: number, limits: Limits): void {
  if (count > limits.eventsPerAppend) throw tooManyEvents(limits);
}

/** Returns the number of events before they are validated: validating a million of them would take seconds. */

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}

export function eventsIn(value: unknown): number {
  return typeof value === "object" && value !== null && "events" in value ? lengthOf(value.events) : 0;
}

/** Counts at least one event for each append, since an append must have one. */
function eventsInAppends(value: unknown): number {
  if (typeof value !== "object" || value === null || !("appends" in value) || !Array.isArray(value.appends))
    return 0;
  const appends: readonly unknown[] = value.appends;
  return appends.reduce<number>((sum, append) => sum + Math.max(1, eventsIn(append)), 0);
}

export function plainEvents(
  json: JsonText,
  path: Path,
  events: Readonly<z.input<RequestSchemas["appendBody"]>["events"]>,
  limits: Limits,
): AcceptedEvent[] {
  return events.map((event, index) => ({
    type: event.type,
    time: event.time ?? null,
    data: dataText(json, [...path, index, "data"], event.data, limits),
    extensions: appendedAttributes(json, [...path, index], event, limits),
  }));
}

function cloudEvent(
  event: z.input<RequestSchemas["newCloudEvent"]>,
  path: Path,
  data: ProvedJson | null,
  stream: string,
  limits: Limits,
): AcceptedEvent {
  const { type, time, subject } = event;
  if (typeof subject === "string" && subject !== stream) {
    const pointer = jsonPointer([...path, "subject"]);
    const detail = `The subject is ${JSON.stringify(subject)}, but the stream is ${JSON.stringify(stream)}`;
    throw new KildeError("invalid-body", detail, { errors: [{ pointer, detail }] });
  }
  return { type, time: time ?? null, data, extensions: cloudEventAttributes(event, path, limits) };
}

/** Reads an event in CloudEvents' structured mode, or an event of a batch, at its path. */
function structuredEvent(
  json: JsonText,
  path: Path,
  event: z.input<RequestSchemas["newCloudEvent"]>,
  stream: string,
  limits: Limits,
): AcceptedEvent {
  return cloudEvent(event, path, dataText(json, [...path, "data"], event.data, limits), stream, limits);
}

/**
 * Reads an event in CloudEvents' binary mode: attributes are `ce-` headers and the content type, and the body is the
 * data.
 */
function binaryEvent(
  attributes: Readonly<Record<string, string>>,
  text: string,
  stream: string,
  { limits, schemas }: ReadAppend,
): AcceptedEvent[] {
  const json = text === "" ? null : parseJson(text, limits.jsonDepth);
  const event = checked(schemas.newCloudEvent, attributes);
  const data = json === null ? null : dataText(json, [], json.value, limits);
  return [cloudEvent(event, [], data, stream, limits)];
}

export function mediaTypeOf(headers: Headers): string {
  const stated = headers.get("content-type") ?? "";
  const end = stated.indexOf(";");
  return (end === -1 ? stated : stated.slice(0, end)).trim().toLowerCase();
}

export function unsupported(mediaType: string): KildeError {
  const detail = mediaType === "" ? "The request has no Content-Type" : `The media type is ${mediaType}`;
  return new KildeError("unsupported-media-type", detail);
}

/** The formats of an append to one stream: Kilde's own JSON, a CloudEvent, a batch of them, or binary mode. */
type Format = "events" | "cloudevent" | "cloudevents" | "binary";

/**
 * The content type decides (CloudEvents HTTP binding, 3): events in the body may have their attributes in headers
 * too. Only if it names no format of events do the headers declare the body to be the data of one event.
 */
function formatOf(headers: Headers): Format {
  const mediaType = mediaTypeOf(headers);
  if (mediaType === "application/cloudevents+json") return "cloudevent";
  if (mediaType === "application/cloudevents-batch+json") return "cloudevents";
  if (mediaType.startsWith("application/cloudevents")) throw unsupported(mediaType);
  if (headers.has("ce-specversion")) {
    if (mediaType === "" || /^application\/(.*\+)?json$/.test(mediaType)) return "binary";
    throw unsupported(mediaType);
  }
  if (mediaType === "application/json") return "events";
  throw unsupported(mediaType);
}

/**
 * The headers' description of the body of an append to one stream. Plain data, so that another thread can read the
 * body.
 */
export interface AppendHead {
  readonly format: Format;
  /** In binary mode, the attributes of the event. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Throws a KildeError for a media type that is not supported. */
export function appendHead(headers: Headers): AppendHead {
  const format = formatOf(headers);
  return { format, attributes: format === "binary" ? binaryAttributes(headers) : {} };
}

/** Reads the body of an append to one stream. */
export function readAppend(head: AppendHead, text: string, stream: string, reading: ReadAppend): Incoming {
  const { limits, schemas } = reading;
  const { format, attributes } = head;
  if (format === "binary")
    return { events: binaryEvent(attributes, text, stream, reading), expectedVersion: undefined };
  const json = parseJson(text, limits.jsonDepth + ENVELOPE_DEPTH);
  switch (format) {
    case "events": {
      refuseTooMany(eventsIn(json.value), limits);
      const { events, expectedVersion } = isPlainAppend(json.value, limits)
        ? json.value
        : checked(schemas.appendBody, json.value);
      return { events: plainEvents(json, ["events"], events, limits), expectedVersion };
    }
    case "cloudevent": {
      const event = checked(schemas.newCloudEvent, json.value);
      return { events: [structuredEvent(json, [], event, stream, limits)], expectedVersion: undefined };
    }
    case "cloudevents": {
      refuseTooMany(lengthOf(json.value), limits);
      const batch = checked(schemas.newCloudEvents, json.value);
      const events = batch.map((event, index) => structuredEvent(json, [index], event, stream, limits));
      return { events, expectedVersion: undefined };
    }
  }
}

/** Throws a KildeError for a media type that is not valid for a transaction. */
export function checkTransactionHead(headers: Headers): void {
  const mediaType = mediaTypeOf(headers);
  if (mediaType !== "application/json") throw unsupported(mediaType);
}

/** Reads the body of a transaction. */
export function readTransaction(text: string, { limits, schemas }: ReadAppend): IncomingPart[] {
  const json = parseJson(text, limits.jsonDepth + ENVELOPE_DEPTH);
  refuseTooMany(eventsInAppends(json.value), limits);
  const { appends } = isPlainTransaction(json.value, limits)
    ? json.value
    : checked(schemas.transactionBody, json.value);
  return appends.map(({ stream, events, expectedVersion }, index) => ({
    subject: stream,
    expectedVersion,
    events: plainEvents(json, ["appends", index, "events"], events, limits),
  }));
}
