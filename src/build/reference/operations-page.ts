import { z } from "zod";

import { ENTRY_TYPES } from "../../administration/catalog.ts";
import { code, referencePage, table } from "./markdown.ts";

interface MemberSchema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly anyOf?: readonly MemberSchema[];
  readonly items?: MemberSchema;
}

function typeName({ type, anyOf, items }: MemberSchema): string {
  if (anyOf !== undefined) return anyOf.map(typeName).join(" or ");
  if (items !== undefined) return `array of ${typeName(items)}`;
  return typeof type === "object" ? type.join(" or ") : (type ?? "any");
}

/** The types of entries in the log of administration, with the members of their data. */
export function operationsPage(): string {
  const sections = Object.entries(ENTRY_TYPES).flatMap(([type, { meaning, subject, data }]) => {
    const { properties = {} } = z.toJSONSchema(data) as {
      readonly properties?: Readonly<Record<string, MemberSchema>>;
    };
    const rows = Object.entries(properties).map(([name, member]) => [
      code(name),
      typeName(member),
      member.description ?? "",
    ]);
    return [
      `## ${code(type)}`,
      `${meaning}. Subject: ${code(subject)}`,
      table(["data", "type", "meaning"], rows),
    ];
  });
  return referencePage("Entries of /operations", "`src/administration/catalog.ts`", [
    "The types of entries in the log of administration. Names in subjects are as they are, not percent-encoded. [The log of administration](../operate/log-of-administration.md) shows how to read it.",
    ...sections,
  ]);
}
