import { errorText } from "../../core/error-text.ts";
import { z } from "zod";

import type { EventSchemas } from "../define/define.ts";

const NOT_STORED = "changes the value, and stored is what the handler gave";

/**
 * Finds why zod accepts a value that the JSON Schema of the same name does not describe: Kilde stores the value that the
 * handler returned, so consumers would receive a value that the contract rules out.
 */
function looseness(schema: z.core.$ZodTypes): string | null {
  const { def } = schema._zod;
  if ("coerce" in def && def.coerce) return "`z.coerce` accepts what the published schema does not";
  if (def.type === "catch") return "`.catch()` accepts anything, and the published schema does not";
  if (def.type === "pipe" && def.in._zod.def.type === "transform") {
    return "`z.preprocess` accepts anything, and the published schema does not";
  }
  if (def.type === "transform") return `\`.transform()\` ${NOT_STORED}`;
  if (def.type === "pipe" && def.transform !== undefined) return `\`z.codec\` ${NOT_STORED}`;
  const checks = def.checks ?? [];
  if (checks.some((check) => check._zod.def.check === "overwrite")) {
    return `\`.trim()\`, \`.toLowerCase()\` and others (\`.overwrite()\`) ${NOT_STORED}: check it, by \`.regex()\` for instance`;
  }
  return null;
}

/** JSON Schema of one side of a schema. Throws for a schema that cannot be published. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): unknown {
  return z.toJSONSchema(schema, {
    io,
    unrepresentable: io === "input" ? "throw" : "any",
    override: ({ zodSchema }) => {
      const loose = looseness(zodSchema);
      if (loose !== null) throw new Error(loose);
    },
  });
}

/**
 * JSON Schema (draft 2020-12) of the `data` of each published type, as a handler returns it; and the parts of the contract that
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
      schemas[type] = jsonSchema(schema, "input");
      // The other side of pipes may change the value, too.
      jsonSchema(schema, "output");
    } catch (error) {
      const reason = errorText(error);
      faults.push(`contract.${type}: cannot be published as JSON Schema: ${reason}`);
    }
  }
  return { schemas, faults };
}
