import { z } from "zod";

import type { EventSchemas } from "./define.ts";

/**
 * What makes zod accept a value that the JSON Schema of the same name does not describe: stored is what the
 * handler gave, so that consumers would get what the contract rules out.
 */
function looseness(schema: z.core.$ZodTypes): string | null {
  const { def } = schema._zod;
  if ("coerce" in def && def.coerce) return "`z.coerce` accepts what the published schema does not";
  if (def.type === "catch") return "`.catch()` accepts anything, and the published schema does not";
  if (def.type === "pipe" && def.in._zod.def.type === "transform") {
    return "`z.preprocess` accepts anything, and the published schema does not";
  }
  return null;
}

/**
 * JSON Schema (draft 2020-12) of the `data` of each published type, as a handler gives it; and what of the contract
 * cannot be published: dates, maps, coercion.
 */
export function publishedSchemas(contract: EventSchemas): {
  readonly schemas: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
} {
  const schemas: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const [type, schema] of Object.entries(contract)) {
    try {
      schemas[type] = z.toJSONSchema(schema, {
        io: "input",
        unrepresentable: "throw",
        override: ({ zodSchema }) => {
          const loose = looseness(zodSchema);
          if (loose !== null) throw new Error(loose);
        },
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      faults.push(`contract.${type}: cannot be published as JSON Schema: ${reason}`);
    }
  }
  return { schemas, faults };
}
