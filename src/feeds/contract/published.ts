import { errorText } from "../../core/error-text.ts";
import { z } from "zod";

import { jsonPointer } from "../../core/json-pointer.ts";
import type { EventSchemas, SourceEvent } from "../define/define.ts";
import { type FeedEvent, ProjectionError } from "../feed.ts";
import { createSchemaJudge, type SchemaJudge } from "./schema-judge.ts";
import { faultOf, type ValueFault, withoutUndefinedMembers } from "../../core/json-value.ts";

interface Issue {
  readonly pointer: string;
  readonly detail: string;
}

type Accepted = { readonly value: unknown } | { readonly issues: readonly Issue[] };

/** Validates a value; issues point into it from `path`. */
export function accepted(schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): Accepted {
  let result: z.ZodSafeParseResult<unknown>;
  try {
    result = schema.safeParse(value);
  } catch (error) {
    const detail =
      error instanceof z.core.$ZodAsyncError
        ? "the schema checks asynchronously, which a projection cannot wait for"
        : `the schema threw: ${errorText(error)}`;
    return { issues: [{ pointer: jsonPointer(path), detail }] };
  }
  if (result.success) return { value: result.data };
  return {
    issues: result.error.issues.map(({ path: inside, message }) => ({
      pointer: jsonPointer([...path, ...inside]),
      detail: message,
    })),
  };
}

/** A published type: its schema, and the judge of the JSON Schema that is served for it. */
interface PublishedType {
  readonly schema: z.ZodType;
  readonly judge: SchemaJudge;
}

/** JSON text of a value that the schema let through, unless it is not what the served JSON Schema describes. */
function describedText({ judge }: PublishedType, data: unknown, path: readonly PropertyKey[]) {
  const issues = judge(data);
  if (issues.length === 0) return JSON.stringify(data);
  const prefix = jsonPointer(path);
  return issues.map(({ pointer, detail }): Issue => ({ pointer: prefix + pointer, detail }));
}

/** JSON text of what a handler gave, or why the contract does not let it through. */
function written(
  type: PublishedType,
  data: unknown,
  path: readonly PropertyKey[],
): string | readonly Issue[] {
  const { schema } = type;
  const outcome = accepted(schema, data, path);
  if ("issues" in outcome) return outcome.issues;
  const fault = faultOf(data, outcome.value);
  if (fault === null) return describedText(type, data, path);
  if (fault.undefinedMember) {
    // JSON leaves the member out: so it is the value without it that the contract has to let through.
    const stored = withoutUndefinedMembers(data);
    const again = accepted(schema, stored, path);
    if ("issues" in again) return again.issues;
    const left = faultOf(stored, again.value);
    return left === null ? describedText(type, stored, path) : issuesOf(left, path);
  }
  return issuesOf(fault, path);
}

function issuesOf({ path, detail }: ValueFault, prefix: readonly PropertyKey[]): Issue[] {
  return [{ pointer: jsonPointer([...prefix, ...path]), detail }];
}

function shapeIssue(item: unknown, contract: ReadonlyMap<string, unknown>): string | null {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return "must be an event, { type, data }, a list of events, or nothing";
  }
  for (const name of Object.keys(item)) {
    if (name !== "type" && name !== "data") {
      return `has a member ${JSON.stringify(name)}: an event published has a type and data, and all else comes from the event it is made of`;
    }
  }
  if (!("type" in item) || typeof item.type !== "string") return "has no type";
  return contract.has(item.type)
    ? null
    : `is of type ${JSON.stringify(item.type)}, which the contract does not name`;
}

const NOTHING: readonly FeedEvent[] = [];

/** Where an event is in what a handler gave. */
interface ItemPlace {
  readonly path: readonly PropertyKey[];
  readonly dataPath: readonly PropertyKey[];
}

/** The place of an event that a handler gave alone. */
const ALONE: ItemPlace = { path: [], dataPath: ["data"] };

/**
 * Checks what a handler gave against the contract and writes it as JSON text: byte for byte what the handler
 * gave, with members in its order, and without those that are `undefined`. Members that the contract does not
 * name are refused, so that nothing leaves by oversight. The served JSON Schema has the last word: a zod
 * schema counts characters, for one, in another way.
 */
export function publishedBy(
  contract: EventSchemas,
  served: Readonly<Record<string, unknown>>,
): (label: string, subject: string, event: SourceEvent, given: unknown) => readonly FeedEvent[] {
  const types = new Map(
    Object.entries(contract).map(([type, schema]): [string, PublishedType] => [
      type,
      { schema, judge: createSchemaJudge(served[type]) },
    ]),
  );

  const one = (item: unknown, { path, dataPath }: ItemPlace): FeedEvent | readonly Issue[] => {
    const wrong = shapeIssue(item, types);
    if (wrong !== null) return [{ pointer: jsonPointer(path), detail: wrong }];
    const { type, data } = item as { type: string; data: unknown };
    const publishedType = types.get(type);
    if (publishedType === undefined) throw new Error(`no schema of ${type}`);
    const text = written(publishedType, data, dataPath);
    return typeof text === "string" ? { type, data: text } : text;
  };

  return (label, subject, event, given) => {
    if (given === undefined || given === null) return NOTHING;
    const outcomes = Array.isArray(given)
      ? given.map((item, index) => one(item, { path: [index], dataPath: [index, "data"] }))
      : [one(given, ALONE)];
    const events: FeedEvent[] = [];
    const issues: Issue[] = [];
    for (const outcome of outcomes) {
      if ("type" in outcome) events.push(outcome);
      else issues.push(...outcome);
    }
    if (issues.length === 0) return events;
    const first = issues.map(({ pointer, detail }) => `${pointer === "" ? "" : `${pointer}: `}${detail}`);
    throw new ProjectionError(
      `What ${label} published breaks the contract: ${first.join("; ")}`,
      { position: event.position, subject },
      issues,
    );
  };
}
