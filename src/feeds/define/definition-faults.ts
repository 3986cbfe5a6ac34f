import { ERASED_TYPE, RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import type { Limits } from "../../core/limits.ts";
import { nameFault } from "../../core/names.ts";
import { publishedSchemas } from "../contract/contract-schema.ts";
import type { AnyFeedDefinition, EventSchemas } from "./define.ts";
import { shapeFaults } from "./definition-shape.ts";
import { faultOf, withoutUndefinedMembers } from "../../core/json-value.ts";

/** How long names may be. */
export type NameLimits = Pick<Limits, "typeBytes" | "streamNameBytes">;

/** A definition that cannot be compiled: every fault of it, each with the member it is about. */
export class FeedDefinitionError extends Error {
  override readonly name = "FeedDefinitionError";
  /** The feed that it belongs to: `declarations/v2`. */
  readonly feed: string;
  readonly faults: readonly string[];

  constructor(feed: string, faults: readonly string[]) {
    super(`The feed ${feed} is not valid:${faults.map((fault) => `\n  ${fault}`).join("")}`);
    this.feed = feed;
    this.faults = faults;
  }
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

function handlerFaults(member: string, named: object, events: EventSchemas): string[] {
  return Object.keys(named).flatMap((type) => {
    if (type === ERASED_TYPE)
      return [`${member}.${type}: define in \`erased\` how the feed reports an erased stream`];
    return Object.hasOwn(events, type) ? [] : [`${member}.${type}: \`events\` names no such type`];
  });
}

function initialFaults({ state }: AnyFeedDefinition): string[] {
  const fault = faultOf(withoutUndefinedMembers(state?.initial ?? null));
  return fault === null ? [] : [`${["state.initial", ...fault.path].join(".")}: ${fault.detail}`];
}

function isEmpty(named: object): boolean {
  return Object.keys(named).length === 0;
}

interface Check {
  /** The members it looks at, which must be of the right shape. */
  readonly of: readonly (keyof AnyFeedDefinition)[];
  readonly faults: (definition: AnyFeedDefinition, limits: NameLimits) => readonly (string | false)[];
}

const CHECKS: readonly Check[] = [
  {
    of: ["events"],
    faults: ({ events }, limits) => [
      isEmpty(events) && "events: must name the type of an event at least",
      ...typeFaults("events", events, limits),
    ],
  },
  {
    of: ["contract"],
    faults: ({ contract }, limits) => [
      isEmpty(contract) && "contract: must have the schema of a published type at least",
      ...typeFaults("contract", contract, limits),
      ...publishedSchemas(contract).faults,
    ],
  },
  {
    of: ["events", "publish"],
    faults: ({ events, publish }) => handlerFaults("publish", publish, events),
  },
  {
    of: ["publish", "erased"],
    faults: ({ publish, erased }) => [
      isEmpty(publish) && typeof erased !== "function" && "publish: must have a handler at least",
    ],
  },
  {
    of: ["events", "state"],
    faults: ({ events, state }) => handlerFaults("state.evolve", state?.evolve ?? {}, events),
  },
  { of: ["state"], faults: initialFaults },
  {
    of: ["name", "version", "source"],
    faults: ({ name, version, source }) => [
      source !== undefined &&
        "feed" in source &&
        source.feed === name &&
        source.version >= version &&
        "source: a feed version can be projected from other feeds, and from earlier versions of itself",
    ],
  },
  {
    of: ["version", "successor"],
    faults: ({ version, successor }) => [
      successor !== undefined &&
        successor <= version &&
        `successor: ${successor} must be greater than the version, ${version}`,
    ],
  },
  {
    of: ["deprecated", "sunset"],
    faults: ({ deprecated, sunset }) => [
      deprecated !== undefined &&
        sunset !== undefined &&
        Date.parse(sunset) < Date.parse(deprecated) &&
        "sunset: must not be before `deprecated`",
    ],
  },
];

/** All faults of a definition, each as `member: fault`. */
export function definitionFaults(definition: AnyFeedDefinition, limits: NameLimits): string[] {
  const { faults, misshapen } = shapeFaults(definition);
  const checks = CHECKS.filter(({ of }) => of.every((member) => !misshapen.has(member)));
  const found = checks.flatMap((check) => check.faults(definition, limits));
  return [...faults, ...found.filter((fault) => fault !== false)];
}
