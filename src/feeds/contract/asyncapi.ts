import { ERASED_IN_PART_TYPE, ERASED_TYPE, EVENT_ERASED_TYPE } from "../../core/event.ts";
import { describedIn } from "./asyncapi-schema.ts";
import { isSchemaObject } from "./json-schema.ts";
import type { Feed } from "../feed.ts";

export interface AsyncApiOptions {
  /** Of this program. */
  readonly version: string;
  /** Address of the server, as its clients reach it. */
  readonly url: string;
}

type Json = Readonly<Record<string, unknown>>;

const CLOUD_EVENT: Json = {
  title: "CloudEvent",
  type: "object",
  description: "CloudEvents 1.0 in the JSON format; data and what it may hold is a matter of the type",
  required: ["specversion", "id", "source", "logidentity", "type", "subject", "time", "sequence"],
  properties: {
    specversion: { type: "string", const: "1.0" },
    id: {
      type: "string",
      description: "Position in the feed: the cursor to continue from",
      pattern: "^[1-9][0-9]*$",
    },
    source: { type: "string", description: "Path of the feed" },
    logidentity: {
      type: "string",
      description: "Identity of the feed's log: with the id it is a cursor, `<id>-<logidentity>`",
      pattern: "^[0-9a-f]{16}$",
    },
    type: { type: "string" },
    subject: { type: "string", description: "What it is about" },
    time: { type: "string", format: "date-time", description: "When it happened" },
    recordedtime: {
      type: "string",
      format: "date-time",
      description: "When the log took it, if `time` is not that",
    },
    sequence: { type: "string", description: "Version: 1-based, gapless within the subject, zero-padded" },
    projectedfrom: { type: "string", description: "Position in the event log of the event it was made of" },
    correlationid: { type: "string" },
    causationid: { type: "string" },
    traceparent: { type: "string" },
    tracestate: { type: "string" },
    datacontenttype: { type: "string", const: "application/json" },
  },
};

const TOMBSTONE: Json = {
  name: ERASED_TYPE,
  title: "The subject was erased",
  summary: "Forget the subject: its earlier events are no longer in the feed.",
  contentType: "application/cloudevents+json",
  payload: {
    title: "SubjectErased",
    allOf: [
      { $ref: "#/components/schemas/CloudEvent" },
      {
        title: "SubjectErasedMembers",
        type: "object",
        required: ["method"],
        properties: {
          type: { const: ERASED_TYPE },
          method: { const: "DELETE" },
          reason: { type: "string" },
        },
      },
    ],
  },
};

const EVENT_ERASED: Json = {
  name: EVENT_ERASED_TYPE,
  title: "An event was erased",
  summary: "Stands in the place of an event that came from a stream which was erased. Ignore it.",
  contentType: "application/cloudevents+json",
  payload: {
    title: "EventErased",
    allOf: [
      { $ref: "#/components/schemas/CloudEvent" },
      { title: "EventErasedMembers", type: "object", properties: { type: { const: EVENT_ERASED_TYPE } } },
    ],
  },
};

const ERASED_IN_PART: Json = {
  name: ERASED_IN_PART_TYPE,
  title: "Events of the subject were erased",
  summary:
    "Forget the effects of the versions that `data` lists, or forget the subject and read it again from its beginning. Events that replace them follow.",
  contentType: "application/cloudevents+json",
  payload: {
    title: "SubjectErasedInPart",
    allOf: [
      { $ref: "#/components/schemas/CloudEvent" },
      {
        title: "SubjectErasedInPartMembers",
        type: "object",
        required: ["data"],
        properties: {
          type: { const: ERASED_IN_PART_TYPE },
          data: {
            title: "ErasedVersions",
            type: "object",
            required: ["versions"],
            properties: {
              versions: {
                description: "Ranges of versions that were erased: the first and the last of each",
                type: "array",
                items: {
                  title: "VersionRange",
                  type: "array",
                  items: { type: "integer" },
                  minItems: 2,
                  maxItems: 2,
                },
              },
            },
          },
        },
      },
    ],
  },
};

/** Messages of every channel. */
const OF_ERASURES: Readonly<Record<string, Json>> = {
  [ERASED_TYPE]: TOMBSTONE,
  [EVENT_ERASED_TYPE]: EVENT_ERASED,
  [ERASED_IN_PART_TYPE]: ERASED_IN_PART,
};

const QUERY: Json = {
  title: "LogQuery",
  type: "object",
  properties: {
    lastEventId: {
      type: "string",
      description:
        "Cursor, an opaque string: what `Link` and the ids of server-sent events give. The answer begins after it. The bare id of an event is accepted too, but then a restore of the feed cannot be detected",
    },
    limit: { type: "integer", minimum: 1 },
    timeout: {
      type: "integer",
      minimum: 0,
      description: "How long to wait for an event when there is none, in milliseconds",
    },
    type: { type: "string", description: "Only events of this type; may be repeated" },
    subjectPrefix: { type: "string" },
  },
};

/** Keys of components must be of few characters; types need not be. */
function keyOf(name: string, taken: Readonly<Record<string, unknown>>): string {
  const safe = name.replace(/[^A-Za-z0-9._-]/g, "_");
  let key = safe;
  for (let number = 2; Object.hasOwn(taken, key); number += 1) key = `${safe}_${number}`;
  return key;
}

/** A schema with a title, unless the contract gives one. */
function withTitle(schema: unknown, title: string): unknown {
  return isSchemaObject(schema) ? { title, ...schema } : schema;
}

function deprecationTags({ deprecated, sunset, successor, name }: Feed): Json {
  if (deprecated === null && sunset === null) return {};
  const statements = [
    ...(deprecated === null ? [] : [`not to be used since ${deprecated}`]),
    ...(sunset === null ? [] : [`gone on ${sunset}`]),
    ...(successor === null ? [] : [`use /feeds/${name}/v${successor}`]),
  ];
  return { tags: [{ name: "deprecated", description: statements.join("; ") }] };
}

function serverOf(url: string): Json {
  const { host, protocol, pathname } = new URL(url);
  const path = pathname.replace(/\/$/, "");
  return { host, protocol: protocol.slice(0, -1), ...(path === "" ? {} : { pathname: path }) };
}

/**
 * A message of a type of event. Its schemas have titles, after which generators name the models; the key of the schema
 * distinguishes versions of a type.
 */
function message(type: string, schemaKey: string): Json {
  return {
    name: type,
    title: type,
    contentType: "application/cloudevents+json",
    headers: {
      title: "EventHeaders",
      type: "object",
      properties: {
        "Content-Type": {
          description: "A page, or the stream of server-sent events, whose `data` is a CloudEvent",
          enum: ["application/cloudevents-batch+json", "application/x-ndjson", "text/event-stream"],
        },
      },
    },
    payload: {
      title: `${schemaKey}.event`,
      allOf: [
        { $ref: "#/components/schemas/CloudEvent" },
        {
          title: `${schemaKey}.members`,
          type: "object",
          required: ["data"],
          properties: { type: { const: type }, data: { $ref: `#/components/schemas/${schemaKey}` } },
        },
      ],
    },
  };
}

const BEARER: Json = {
  type: "http",
  scheme: "bearer",
  description:
    "The token of an API key with the grant `read:` and the address of the channel. A server without keys needs none.",
};

/** AsyncAPI 3.0 of the feeds, for those who read them: a channel for each version, a message for each type. */
export function asyncApiDocument(feeds: readonly Feed[], { version, url }: AsyncApiOptions): Json {
  const schemas: Record<string, unknown> = { CloudEvent: CLOUD_EVENT };
  const messages: Record<string, unknown> = { ...OF_ERASURES };
  const channels: Record<string, unknown> = {};
  const operations: Record<string, unknown> = {};

  for (const feed of feeds) {
    const channelKey = `${feed.name}.v${feed.version}`;
    const messageKeys: string[] = [];
    for (const [type, schema] of Object.entries(feed.schemas)) {
      const key = keyOf(`${channelKey}.${type}`, messages);
      messageKeys.push(key);
      schemas[key] = withTitle(describedIn(schema, `#/components/schemas/${key}`), key);
      messages[key] = message(type, key);
    }
    messageKeys.push(...Object.keys(OF_ERASURES));
    const tags = deprecationTags(feed);
    channels[channelKey] = {
      address: feed.path,
      title: `${feed.name} v${feed.version}${feed.draft ? " (draft)" : ""}`,
      ...(feed.description === null ? {} : { description: feed.description }),
      servers: [{ $ref: "#/servers/kilde" }],
      messages: Object.fromEntries(messageKeys.map((key) => [key, { $ref: `#/components/messages/${key}` }])),
      ...tags,
    };
    operations[`receive.${channelKey}`] = {
      action: "receive",
      summary: "Read on from a cursor, or follow as server-sent events",
      channel: { $ref: `#/channels/${channelKey}` },
      messages: messageKeys.map((key) => ({ $ref: `#/channels/${channelKey}/messages/${key}` })),
      ...(feed.access === "public" ? {} : { security: [{ $ref: "#/components/securitySchemes/bearer" }] }),
      bindings: { http: { method: "GET", query: QUERY, bindingVersion: "0.3.0" } },
      ...tags,
    };
  }

  return {
    asyncapi: "3.0.0",
    info: {
      title: "Kilde feeds",
      version,
      description:
        "Integration events. Each channel is an HTTP Feed (http-feeds.org) of CloudEvents, which can be read from any event and followed. Ignore types and members you do not know: more may be added.",
    },
    defaultContentType: "application/cloudevents+json",
    servers: { kilde: serverOf(url) },
    channels,
    operations,
    components: { schemas, messages, securitySchemes: { bearer: BEARER } },
  };
}
