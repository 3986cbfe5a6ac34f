import { expect, test } from "bun:test";

import specs from "@asyncapi/specs";
import Ajv from "ajv";
import addFormats from "ajv-formats";
import { z } from "zod";

import { asyncApiDocument } from "../../../src/feeds/contract/asyncapi.ts";
import { compileFeed } from "../../../src/feeds/define/compile.ts";
import { declarations } from "../declarations.ts";

interface Node {
  readonly name: string;
  readonly next: readonly Node[];
}
const node: z.ZodType<Node> = z.lazy(() => z.object({ name: z.string(), next: z.array(node) }));

const feeds = [
  compileFeed({ ...declarations, version: 1, deprecated: "2026-01-01", sunset: "2027-01-01", successor: 2 }),
  compileFeed(declarations),
  compileFeed({
    name: "odd",
    version: 1,
    draft: true,
    events: { In: z.any() },
    contract: {
      "with spaces / and more": z.tuple([z.string(), z.int()]).rest(z.null()),
      with_spaces___and_more: z.unknown(),
      Tree: node,
    },
    publish: { In: () => null },
  }),
];
const published = asyncApiDocument(feeds, { version: "1.2.3", url: "https://kilde.example:8443/base/" });

/** The part of the published document that a reference points to. */
function at(reference: string): unknown {
  return reference
    .slice(2)
    .split("/")
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], published);
}

test("is valid AsyncAPI 3.0", () => {
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    unicodeRegExp: false,
    meta: false,
    validateSchema: false,
  });
  addFormats(ajv);
  const validate = ajv.compile(specs.schemas["3.0.0"] as object);
  validate(published);
  expect(validate.errors ?? []).toEqual([]);
  // The validator detects an invalid document.
  expect(validate({ ...published, channels: { a: { address: 1 } } })).toBe(false);
});

test("every reference leads somewhere", () => {
  const references = [...JSON.stringify(published).matchAll(/"\$ref":"([^"]+)"/g)].map(([, to]) => to ?? "");
  expect(references.length).toBeGreaterThan(20);
  expect(references.filter((reference) => at(reference) === undefined)).toEqual([]);
});

test("a feed that is not public needs the token of a key", () => {
  const definition = {
    name: "open",
    version: 1,
    events: { In: z.any() },
    contract: { Out: z.any() },
    publish: { In: () => null },
  };
  const both = [compileFeed({ ...definition, access: "public" }), compileFeed({ ...definition, version: 2 })];
  const { operations } = asyncApiDocument(both, { version: "1.2.3", url: "https://kilde.example" });
  const secured = Object.entries(operations as Record<string, object>).map(([key, operation]) => [
    key,
    "security" in operation,
  ]);
  expect(secured).toEqual([
    ["receive.open.v1", false],
    ["receive.open.v2", true],
  ]);
});

test("has a channel for each version, a message for each type, and tombstones", () => {
  expect(published).toMatchObject({
    servers: { kilde: { host: "kilde.example:8443", protocol: "https", pathname: "/base" } },
    channels: {
      "declarations.v1": {
        address: "/feeds/declarations/v1",
        tags: [
          {
            name: "deprecated",
            description: "not to be used since 2026-01-01; gone on 2027-01-01; use /feeds/declarations/v2",
          },
        ],
      },
      "declarations.v2": {
        address: "/feeds/declarations/v2",
        description: "Expense declarations, amounts in cents",
      },
      "odd.v1": { title: "odd v1 (draft)" },
    },
    operations: { "receive.declarations.v2": { action: "receive", bindings: { http: { method: "GET" } } } },
  });
  const messages = Object.keys(at("#/channels/odd.v1/messages") as object);
  expect(messages).toHaveLength(6);
  for (const type of ["kilde.erased", "kilde.event-erased", "kilde.erased-in-part"])
    expect(messages).toContain(type);
  expect(at("#/channels/declarations.v2")).not.toHaveProperty("tags");
});

test("every payload, its parts and its data have a title, so that generators name their models", () => {
  const { messages, schemas } = published["components"] as {
    messages: Record<string, { payload: { title?: string; allOf: { title?: string; $ref?: string }[] } }>;
    schemas: Record<string, { title?: string }>;
  };
  const parts = Object.values(messages).flatMap(({ payload }) => [payload, ...payload.allOf]);
  const titles = parts.filter((part) => !("$ref" in part)).map(({ title }) => title ?? "none");
  expect(titles).not.toContain("none");
  expect(new Set(titles).size).toBe(titles.length);
  expect(Object.values(schemas).filter(({ title }) => title === undefined)).toEqual([]);
});

test("the payload is the CloudEvent that is served", () => {
  const ajv = new Ajv({ strict: false });
  addFormats(ajv);
  const { payload } = at("#/components/messages/declarations.v2.DeclarationSubmitted") as { payload: object };
  const validate = ajv.compile({ ...payload, components: published["components"] });
  const event = {
    specversion: "1.0",
    id: "1",
    source: "/feeds/declarations/v2",
    type: "DeclarationSubmitted",
    subject: "declaration-1",
    time: "2026-01-01T00:00:00Z",
    logidentity: "0123456789abcdef",
    sequence: "0000000000000001",
    projectedfrom: "7",
    datacontenttype: "application/json",
    data: { cents: 1 },
  };
  expect(validate(event)).toBe(true);
  expect(validate({ ...event, data: {} })).toBe(false);
  expect(validate({ ...event, type: "Other" })).toBe(false);

  const tree = ajv.compile({ $ref: "#/components/schemas/odd.v1.Tree", components: published["components"] });
  expect(tree({ name: "a", next: [{ name: "b", next: [] }] })).toBe(true);
  expect(tree({ name: "a", next: [{ name: 1, next: [] }] })).toBe(false);
  const tuple = ajv.compile(at("#/components/schemas/odd.v1.with_spaces___and_more") as object);
  expect([tuple(["a", 1, null]), tuple(["a", 1, 1]), tuple([1])]).toEqual([true, false, false]);
});
