import { z } from "zod";

import { ERASED_TYPE, RESERVED_TYPE_PREFIX } from "../core/event.ts";
import type { Limits } from "../core/limits.ts";
import { nameFault } from "../core/names.ts";
import type { EventSchemas, AnyFeedDefinition } from "./define.ts";

/** How long names may be. */
export type NameLimits = Pick<Limits, "typeBytes" | "streamNameBytes">;

/** A definition that cannot be compiled: every fault of it, each with the member it is about. */
export class FeedDefinitionError extends Error {
  override readonly name = "FeedDefinitionError";
  /** What it is of: `declarations/v2`. */
  readonly feed: string;
  readonly faults: readonly string[];

  constructor(feed: string, faults: readonly string[]) {
    super(`The feed ${feed} is not valid:${faults.map((fault) => `\n  ${fault}`).join("")}`);
    this.feed = feed;
    this.faults = faults;
  }
}

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
  .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be lower-case letters and digits, with single hyphens between")
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

function shapeFaults(definition: unknown): string[] {
  const result = definitionSchema.safeParse(definition);
  if (result.success) return [];
  return result.error.issues.map((issue) => {
    if (issue.code === "unrecognized_keys") {
      return `${at([...issue.path, issue.keys.join(", ")])}: there is no such member`;
    }
    return `${at(issue.path)}: ${issue.message}`;
  });
}

function typeFaults(member: string, named: EventSchemas, limits: NameLimits): string[] {
  return Object.keys(named).flatMap((type) => {
    const fault = nameFault(type, limits.typeBytes);
    if (fault !== null) return [`${member}.${type}: an event type ${fault}`];
    const ownTombstone = member === "events" && type === ERASED_TYPE;
    return type.startsWith(RESERVED_TYPE_PREFIX) && !ownTombstone
      ? [`${member}.${type}: types that begin with "${RESERVED_TYPE_PREFIX}" are Kilde's own`]
      : [];
  });
}

function handlerFaults(definition: AnyFeedDefinition): string[] {
  const { events, publish, state } = definition;
  const of = (member: string, named: object) =>
    Object.keys(named).flatMap((type) => {
      if (type === ERASED_TYPE) return [`${member}.${type}: say in \`erased\` what an erased stream becomes`];
      return Object.hasOwn(events, type) ? [] : [`${member}.${type}: \`events\` names no such type`];
    });
  return [...of("publish", publish), ...of("state.evolve", state?.evolve ?? {})];
}

function togetherFaults({
  name,
  version,
  source,
  events,
  contract,
  publish,
  erased,
  deprecated,
  sunset,
  successor,
}: AnyFeedDefinition): string[] {
  const faults: string[] = [];
  if (Object.keys(events).length === 0) faults.push("events: must name the type of an event at least");
  const publishes = Object.keys(publish).length > 0 || typeof erased === "function";
  if (!publishes) faults.push("publish: must have a handler at least");
  if (Object.keys(contract).length === 0)
    faults.push("contract: must have the schema of a published type at least");
  if (source !== undefined && "feed" in source && source.feed === name && source.version >= version) {
    faults.push(
      "source: a feed version can be projected from other feeds, and from earlier versions of itself",
    );
  }
  if (successor !== undefined && successor <= version) {
    faults.push(`successor: ${successor} must be greater than the version, ${version}`);
  }
  if (deprecated !== undefined && sunset !== undefined && Date.parse(sunset) < Date.parse(deprecated)) {
    faults.push("sunset: must not be before `deprecated`");
  }
  return faults;
}

/** Everything that is wrong with a definition by its shape and names; `member: what is wrong` each. */
export function definitionFaults(definition: AnyFeedDefinition, limits: NameLimits): string[] {
  const shape = shapeFaults(definition);
  // The rest takes the shape for granted.
  if (shape.length > 0) return shape;
  return [
    ...typeFaults("events", definition.events, limits),
    ...typeFaults("contract", definition.contract, limits),
    ...handlerFaults(definition),
    ...togetherFaults(definition),
  ];
}
