import { ERASED_TYPE } from "../../core/event.ts";
import { DEFAULT_LIMITS } from "../../core/limits.ts";
import { publishedSchemas } from "../contract/contract-schema.ts";
import type { AnyFeedDefinition } from "./define.ts";
import { definitionFaults, FeedDefinitionError, type NameLimits } from "./definition-faults.ts";
import type { Feed } from "../feed.ts";
import { projectionOf } from "./projection.ts";

export interface CompileOptions {
  /**
   * Whether handlers are guarded: their arguments are frozen, and the clock, chance and the environment are out of
   * reach. It costs time on each event. It does not change the result. Default: true.
   */
  readonly strict?: boolean;
  /** Default: those Kilde has by default. */
  readonly limits?: NameLimits;
}

/** Path of the log of a feed version. */
export function feedPath(name: string, version: number): string {
  return `/feeds/${name}/v${version}`;
}

function sourceOf({ source, events }: AnyFeedDefinition): Feed["source"] {
  const types = [...new Set([...Object.keys(events), ERASED_TYPE])];
  if (source === undefined) return { log: "/events", prefixes: [], types };
  if ("feed" in source) return { log: feedPath(source.feed, source.version), prefixes: [], types };
  const prefixes = typeof source.streams === "string" ? [source.streams] : source.streams;
  // Each subject is to match one prefix at most: prefixes within another add nothing.
  const widest = [...new Set(prefixes)].filter(
    (prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)),
  );
  return { log: "/events", prefixes: widest.toSorted(), types };
}

/**
 * Validates a definition and compiles it for the projector. Throws a {@link FeedDefinitionError} that
 * lists every fault and names the feed.
 */
export function compileFeed(
  definition: AnyFeedDefinition,
  { strict = true, limits = DEFAULT_LIMITS }: CompileOptions = {},
): Feed {
  const { name, version } = definition;
  const label = `${name}/v${version}`;
  const faults = definitionFaults(definition, limits);
  if (faults.length > 0) throw new FeedDefinitionError(label, faults);

  const { schemas } = publishedSchemas(definition.contract);
  return {
    name,
    version,
    path: feedPath(name, version),
    description: definition.description ?? null,
    draft: definition.draft ?? false,
    access: definition.access ?? "granted",
    source: sourceOf(definition),
    rekeyed: definition.subject !== undefined,
    stateful: definition.state !== undefined,
    replacesErased: typeof definition.erased === "function",
    schemas,
    deprecated: definition.deprecated ?? null,
    sunset: definition.sunset ?? null,
    successor: definition.successor ?? null,
    ...projectionOf(definition, { label, strict, subjectBytes: limits.streamNameBytes, schemas }),
  };
}
