import { jsonPointer } from "../../core/json-pointer.ts";
import { type Rule, widenings } from "./schema-widening.ts";

/**
 * The rules that a change of a published contract must not break. Consumers rely on the events as they were published;
 * they have to ignore types and members they do not know.
 *
 * Additive, and allowed: a new event type; a new member, required or not; producing less than before (a stricter
 * pattern, fewer values, a member that is always there now); texts for people. Everything below is refused.
 */
export const RULES: Readonly<Record<Rule, string>> = {
  "type-removed": "an event type that was published stays",
  "member-removed": "a member that was published stays",
  "member-optional": "a member that was always there stays so",
  "type-widened": "values stay of the kinds they were, null included",
  "values-widened": "a member of a few known values gets no others",
  "constraint-loosened": "limits, patterns and formats let nothing through that they ruled out",
  "object-opened": "an object that was published as closed gets no new members",
  "default-changed": "the default of an absent member stays",
  "source-changed": "the source and the subjects of a version stay",
  "not-comparable": "a change must be provably harmless",
};

/** A change that consumers of a published feed version may not survive. */
export interface BreakingChange {
  /** Event type. */
  readonly type: string;
  /** JSON pointer into the type's JSON Schema as it was published. */
  readonly pointer: string;
  readonly rule: Rule;
  readonly detail: string;
}

/** JSON Schemas by event type. */
export type ContractSchemas = Readonly<Record<string, unknown>>;

/** The schema as storage returns it: plain data, without the members that a library attaches. */
function asStored(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema));
}

/** The breaking changes between the JSON Schemas of a feed version as published, and as defined now. */
export function breakingChanges(published: ContractSchemas, defined: ContractSchemas): BreakingChange[] {
  return Object.entries(published).flatMap(([type, schema]): BreakingChange[] => {
    if (!Object.hasOwn(defined, type)) {
      return [{ type, pointer: "", rule: "type-removed", detail: "is not published any more" }];
    }
    return widenings(asStored(schema), asStored(defined[type])).map(({ path, rule, detail }) => ({
      type,
      pointer: jsonPointer(path),
      rule,
      detail,
    }));
  });
}

/** A line for people: `DeclarationPaid /properties/cents: is not published any more (member-removed: ...)`. */
export function breakingChangeText({ type, pointer, rule, detail }: BreakingChange): string {
  return `${type}${pointer === "" ? "" : ` ${pointer}`}: ${detail} (${rule}: ${RULES[rule]})`;
}
