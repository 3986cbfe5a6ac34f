import { z } from "zod";

import { FEED_NAME } from "../../core/names.ts";
import { nearest } from "../../core/nearest.ts";
import type { AnyFeedDefinition } from "./define.ts";

function isSchema(value: unknown): boolean {
  return typeof value === "object" && value !== null && "_zod" in value;
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

const versionNumber = z
  .number("must be a whole number from 1")
  .refine((value) => Number.isSafeInteger(value) && value >= 1, "must be a whole number from 1");
const feedName = z
  .string("must be a text")
  .regex(FEED_NAME, "must be lower-case letters and digits, with single hyphens between")
  .max(100, "must be at most 100 characters");
const time = z.union(
  [z.iso.date(), z.iso.datetime({ offset: true })],
  'must be an RFC 3339 date or time, such as "2026-12-31" or "2026-12-31T23:00:00Z"',
);
const schemas = z.record(
  z.string(),
  z.custom(isSchema, "must be a zod 4 schema"),
  "must be schemas by event type",
);
const handler = z.custom(isFunction, "must be a function");
const handlers = z.record(z.string(), handler, "must be functions by event type");
const prefix = z
  .string("must be a prefix of stream names")
  .min(1, "must not be empty; leave `source` out to read all streams");

const definitionSchema = z.strictObject({
  name: feedName,
  version: versionNumber,
  description: z.string("must be a text").optional(),
  draft: z.boolean("must be true or false").optional(),
  access: z.enum(["granted", "public"], 'must be "granted" or "public"').optional(),
  source: z
    .union(
      [
        z.strictObject({ streams: z.union([prefix, z.array(prefix).min(1)]) }),
        z.strictObject({ feed: feedName, version: versionNumber }),
      ],
      "must be { streams: <prefix, or list of prefixes> } or { feed: <name>, version: <number> }",
    )
    .optional(),
  events: schemas,
  contract: schemas,
  subject: handler.optional(),
  state: z.strictObject({ initial: z.unknown(), evolve: handlers }).optional(),
  publish: handlers,
  erased: z
    .custom((value) => value === "erase" || isFunction(value), 'must be "erase" or a function')
    .optional(),
  deprecated: time.optional(),
  sunset: time.optional(),
  successor: versionNumber.optional(),
} satisfies Record<keyof AnyFeedDefinition, z.ZodType>);

function at(path: readonly PropertyKey[]): string {
  return path.map(String).join(".");
}

/** The member that was probably meant. */
function hint(path: readonly PropertyKey[], key: string): string {
  const near = path.length === 0 ? nearest(key, Object.keys(definitionSchema.shape)) : null;
  return near === null ? "" : `; did you mean ${near}?`;
}

export interface ShapeFaults {
  readonly faults: readonly string[];
  /** The members of an invalid shape. */
  readonly misshapen: ReadonlySet<PropertyKey>;
}

/** The members that violate the type of a definition, for users without a type checker. */
export function shapeFaults(definition: unknown): ShapeFaults {
  const issues = definitionSchema.safeParse(definition).error?.issues ?? [];
  return {
    faults: issues.flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map(
            (key) => `${at([...issue.path, key])}: there is no such member${hint(issue.path, key)}`,
          )
        : [`${at(issue.path)}: ${issue.message}`],
    ),
    misshapen: new Set(issues.flatMap(({ path }) => path.slice(0, 1))),
  };
}
