import { RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import type { Limits } from "../../core/limits.ts";
import { nameFault } from "../../core/names.ts";

/** The body of an append whose events have no members but `type` and `data`. */
export interface PlainAppend {
  readonly events: readonly {
    readonly type: string;
    readonly data?: unknown;
    readonly time?: undefined;
    readonly metadata?: undefined;
    readonly attributes?: undefined;
  }[];
  readonly expectedVersion?: undefined;
}

function isPlainEvent(event: unknown, limits: Limits): boolean {
  if (typeof event !== "object" || event === null || Array.isArray(event)) return false;
  for (const member in event) if (member !== "type" && member !== "data") return false;
  return (
    "type" in event &&
    typeof event.type === "string" &&
    nameFault(event.type, limits.typeBytes) === null &&
    !event.type.startsWith(RESERVED_TYPE_PREFIX)
  );
}

/**
 * Whether a parsed body is a valid append of types and data alone. Nearly all are, and the schema, which decides all
 * others, would add a tenth to the cost of answering an append.
 */
export function isPlainAppend(value: unknown, limits: Limits): value is PlainAppend {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  for (const member in value) if (member !== "events") return false;
  return (
    "events" in value &&
    Array.isArray(value.events) &&
    value.events.length > 0 &&
    value.events.every((event) => isPlainEvent(event, limits))
  );
}
