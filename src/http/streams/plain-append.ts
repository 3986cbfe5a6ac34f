import { z } from "zod";

import { RESERVED_TYPE_PREFIX } from "../../core/event.ts";
import { isJsonObject } from "../../core/json-object.ts";
import type { Limits } from "../../core/limits.ts";
import { nameFault } from "../../core/names.ts";
import type { RequestSchemas } from "../openapi/schemas.ts";
import { ownAttributeFault } from "./attributes.ts";
import { MOST_SHORT_TEXT } from "./schemas.ts";

/*
 * Decides by hand that a parsed body is valid. Nearly all bodies are, and the schemas, which decide all others and name
 * their faults, would cost as much as the rest of an append. A property test holds each to its schema.
 */

type Body<Name extends "appendBody" | "bulkAppend" | "transactionBody"> = z.input<RequestSchemas[Name]>;

/** As the schema of a stated time has it. */
const STATED_TIME = z.regexes.datetime({ offset: true });

/** A character may be two UTF-16 units: the schema decides a longer text. */
function isShortText(value: unknown): boolean {
  return typeof value === "string" && value !== "" && value.length <= MOST_SHORT_TEXT;
}

function isMetadata(value: unknown): boolean {
  if (!isJsonObject(value)) return false;
  for (const member in value) {
    switch (member) {
      case "correlationId":
      case "causationId":
      case "traceparent":
      case "tracestate":
        if (!isShortText(value[member])) return false;
        break;
      case "__proto__":
        return false;
    }
  }
  return true;
}

function areAttributes(value: unknown, limits: Limits): boolean {
  if (!isJsonObject(value)) return false;
  for (const member in value) if (ownAttributeFault(member, value[member], limits) !== null) return false;
  return true;
}

function isType(value: unknown, { typeBytes }: Limits): boolean {
  return (
    typeof value === "string" &&
    nameFault(value, typeBytes) === null &&
    !value.startsWith(RESERVED_TYPE_PREFIX)
  );
}

function isEvent(event: unknown, limits: Limits): boolean {
  if (!isJsonObject(event)) return false;
  for (const member in event) {
    switch (member) {
      case "type":
      case "data":
        break;
      case "time": {
        const { time } = event;
        if (typeof time !== "string" || !STATED_TIME.test(time)) return false;
        break;
      }
      case "metadata":
        if (!isMetadata(event["metadata"])) return false;
        break;
      case "attributes":
        if (!areAttributes(event["attributes"], limits)) return false;
        break;
      default:
        return false;
    }
  }
  return isType(event["type"], limits);
}

function areEvents(events: unknown, limits: Limits): boolean {
  return Array.isArray(events) && events.length > 0 && events.every((event) => isEvent(event, limits));
}

function isExpectedVersion(value: unknown): boolean {
  return value === "any" || value === "exists" || (Number.isSafeInteger(value) && (value as number) >= 0);
}

function isName(value: unknown, maxBytes: number): boolean {
  return typeof value === "string" && nameFault(value, maxBytes) === null;
}

/** The members that an append in a body may have besides its events. */
interface Members {
  readonly isNamed: boolean;
  readonly mayHaveKey: boolean;
}

function isAppend(value: unknown, limits: Limits, { isNamed, mayHaveKey }: Members): boolean {
  if (!isJsonObject(value)) return false;
  for (const member in value) {
    const content = value[member];
    switch (member) {
      case "events":
        if (!areEvents(content, limits)) return false;
        break;
      case "stream":
        if (!isNamed || !isName(content, limits.streamNameBytes)) return false;
        break;
      case "expectedVersion":
        if (!isExpectedVersion(content)) return false;
        break;
      case "idempotencyKey":
        if (!mayHaveKey || !isName(content, limits.idempotencyKeyBytes)) return false;
        break;
      case "traceparent":
      case "tracestate":
        if (!mayHaveKey || !isShortText(content)) return false;
        break;
      default:
        return false;
    }
  }
  return "events" in value && (!isNamed || "stream" in value);
}

/** Whether a parsed value is a valid body of `POST /streams/{stream}`. */
export function isPlainAppend(value: unknown, limits: Limits): value is Body<"appendBody"> {
  return isAppend(value, limits, { isNamed: false, mayHaveKey: false });
}

/** Whether a parsed value is a valid entry of `POST /appends`. */
export function isPlainEntry(value: unknown, limits: Limits): value is Body<"bulkAppend"> {
  return isAppend(value, limits, { isNamed: true, mayHaveKey: true });
}

/** Whether a parsed value is a valid body of `POST /transactions`. */
export function isPlainTransaction(value: unknown, limits: Limits): value is Body<"transactionBody"> {
  if (!isJsonObject(value)) return false;
  for (const member in value) if (member !== "appends") return false;
  const { appends } = value;
  const members: Members = { isNamed: true, mayHaveKey: false };
  return (
    Array.isArray(appends) &&
    appends.length > 0 &&
    appends.every((append) => isAppend(append, limits, members))
  );
}
