import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { isToken, type Node, SyntaxKind } from "typescript/unstable/ast";
import { z } from "zod";

import { runCli } from "../../src/cli/cli.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { compileFiles } from "../support/typescript.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 200);

/** The server's answer, as JSON text. */
let answer = "{}";
const hostile = Bun.serve({
  port: 0,
  fetch: () => new Response(answer, { headers: { "content-type": "application/json" } }),
});
afterAll(() => hostile.stop(true));

/** The output of `kilde feeds types declarations v2` for an answer of the server. */
async function printedTypes(schemas: unknown): Promise<string> {
  answer = JSON.stringify({ schemas });
  let printed = "";
  let reported = "";
  const exitCode = await runCli(["feeds", "types", "declarations", "v2", "--url", hostile.url.href], {
    environment: {},
    cwd: "/",
    version: "0",
    stdin: () => new Blob([]).stream(),
    isInteractive: false,
    stdout: {
      isTerminal: false,
      stream: process.stdout,
      write: () => Promise.resolve(),
      writeExact: (text) => {
        printed += text;
        return Promise.resolve();
      },
    },
    stderr: {
      isTerminal: false,
      stream: process.stderr,
      write: (text) => {
        reported += text;
        return Promise.resolve();
      },
      writeExact: () => Promise.resolve(),
    },
    clock: systemClock,
    fetch,
    random: Math.random,
    outliveReader: () => {},
    onStopSignal: () => {},
    onReloadSignal: () => {},
    exit: () => {
      throw new Error("the command ended the process");
    },
  });
  expect([exitCode, reported]).toEqual([0, ""]);
  return printed;
}

const PIECES = [
  "*/",
  "/*",
  "//",
  "/// <reference path='x'/>",
  "@ts-ignore",
  "`",
  "${globalThis.hit = 1}",
  "\\u002a/",
  "\\",
  '"',
  "'",
  ";",
  "}",
  "{",
  ")",
  "]",
  "\n",
  "\r",
  "\u2028",
  "\u2029",
  "\u0000",
  "\u001b[2J",
  "\u009b",
  "\u202e",
  "\ud800",
  "globalThis.hit = 1",
  'import "node:fs"',
  'import("node:fs")',
  "export const x = 1",
  "=>",
  "<",
  "__proto__",
  "constructor",
  "new",
  "readonly",
  "Amount",
  "a",
  "1",
] as const;

const text = fc.oneof(
  fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary", maxLength: 6 }),
);

const garbage = fc.oneof(
  text,
  fc.constantFrom<unknown>(null, true, -0, 1e21, -1.5, [], {}),
  fc.array(text, { maxLength: 2 }),
  fc.dictionary(text, text, { maxKeys: 2 }),
);

const { schema } = fc.letrec<{ schema: unknown }>((tie) => {
  const part = fc.oneof({ maxDepth: 2 }, garbage, tie("schema"));
  const reference = fc.constantFrom(
    "#",
    "#/$defs/a",
    "#/$defs/b",
    "#/properties/a",
    "#/allOf/0",
    "#/$defs/constructor",
    "file:///etc/passwd",
    "http://127.0.0.1:1/",
  );
  const keywords = {
    type: fc.oneof(
      fc.constantFrom("object", "array", "string", "integer", "number", "boolean", "null"),
      fc.array(fc.oneof(fc.constantFrom("object", "array", "string", "null"), text), { maxLength: 3 }),
      garbage,
    ),
    properties: fc.oneof(fc.dictionary(text, part, { maxKeys: 4 }), garbage),
    required: fc.oneof(fc.array(text, { maxLength: 3 }), garbage),
    additionalProperties: part,
    patternProperties: fc.dictionary(text, part, { maxKeys: 2 }),
    items: part,
    prefixItems: fc.oneof(fc.array(part, { maxLength: 3 }), garbage),
    anyOf: fc.oneof(fc.array(part, { maxLength: 3 }), garbage),
    oneOf: fc.array(part, { maxLength: 3 }),
    allOf: fc.array(part, { maxLength: 3 }),
    enum: fc.oneof(fc.array(garbage, { maxLength: 4 }), garbage),
    const: garbage,
    $ref: fc.oneof({ weight: 4, arbitrary: reference }, garbage),
    description: text,
    ignored: fc.record(
      {
        $id: text,
        title: text,
        default: garbage,
        examples: garbage,
        format: text,
        pattern: text,
        // Keywords of generators of code.
        tsType: text,
        tsEnumNames: fc.array(text, { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  };
  const subset = fc.subarray(Object.keys(keywords) as (keyof typeof keywords)[], { maxLength: 5 });
  const chosen = subset.chain((names) =>
    fc.record(Object.fromEntries(names.map((name) => [name, keywords[name] as fc.Arbitrary<unknown>]))),
  );
  return {
    schema: chosen.map(({ ignored, ...stated }) => ({ ...(ignored as object | undefined), ...stated })),
  };
});

const published = fc
  .tuple(schema, fc.record({ a: schema, b: schema }))
  .map(([stated, $defs]) => ({ ...(stated as object), $defs }));

const answers = fc.dictionary(text, fc.oneof({ weight: 4, arbitrary: published }, garbage), { maxKeys: 4 });

const TYPE_NODES: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.Identifier,
  SyntaxKind.PropertySignature,
  SyntaxKind.IndexSignature,
  SyntaxKind.Parameter,
  SyntaxKind.TypeLiteral,
  SyntaxKind.TypeReference,
  SyntaxKind.TupleType,
  SyntaxKind.RestType,
  SyntaxKind.UnionType,
  SyntaxKind.IntersectionType,
  SyntaxKind.ParenthesizedType,
  SyntaxKind.LiteralType,
  SyntaxKind.StringLiteral,
  SyntaxKind.NumericLiteral,
  SyntaxKind.PrefixUnaryExpression,
  SyntaxKind.JSDoc,
]);

/** The kinds of a declaration's nodes that no type is made of. */
function strangers(node: Node): string[] {
  const found: string[] = [];
  node.forEachChild((child) => {
    if (!TYPE_NODES.has(child.kind) && !isToken(child)) found.push(SyntaxKind[child.kind]);
    found.push(...strangers(child));
  });
  return found;
}

/** Generated modules, which no schema can change when they run. */
const EXECUTED =
  'import { feed } from "kilde/consumer";\nexport const declarationsV2 = feed("declarations/v2");\n';

const IMPORT = 'import { feed } from "kilde/consumer";';
const CONSTANT =
  'export const declarationsV2 = feed<{ [Type in keyof DeclarationsV2]: DeclarationsV2[Type] }>("declarations/v2");';

test("types: a server's schemas become type declarations and nothing else, which compile", async () => {
  const modules: string[] = [];
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  await fc.assert(
    fc.asyncProperty(answers, async (schemas) => {
      const printed = await printedTypes(schemas);
      expect(transpiler.transformSync(printed)).toBe(EXECUTED);
      // Nothing that a terminal or a reader takes for something else.
      expect(printed.replaceAll("\n", "")).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      modules.push(printed);
    }),
    { numRuns: RUNS },
  );

  const files = Object.fromEntries(modules.map((module, index) => [`module${index}.ts`, module]));
  const stub =
    'declare module "kilde/consumer" { export function feed<Types extends Record<string, unknown>>(name: string): Types }';
  await compileFiles({ ...files, "kilde.d.ts": stub }, async ({ sourceFile, faults }) => {
    expect(faults).toEqual([]);
    for (const name of Object.keys(files)) {
      const file = await sourceFile(name);
      const [first, ...rest] = [...file.statements];
      const last = rest.pop();
      expect(first?.getText(file)).toBe(IMPORT);
      expect(last?.getText(file)).toBe(CONSTANT);
      expect(rest[0]?.kind).toBe(SyntaxKind.InterfaceDeclaration);
      for (const statement of rest.slice(1)) expect(statement.kind).toBe(SyntaxKind.TypeAliasDeclaration);
      expect(rest.flatMap(strangers)).toEqual([]);
    }
  });
}, 60_000);

test("types: unions, records, tuples, optional members, descriptions and recursive schemas are as published", async () => {
  const tree = z.object({
    get children() {
      return z.array(tree);
    },
  });
  const schemas = {
    Paid: z.object({
      cents: z.int().describe("The amount paid, in cents. */"),
      by: z.enum(["owner", "it's me"]).optional(),
      "due-date": z.string().nullable(),
      rates: z.record(z.string(), z.number()),
      range: z.tuple([z.number(), z.number()]),
    }),
    Tree: tree,
    Closed: z.union([z.object({ at: z.literal(1) }), z.null()]),
  };
  const printed = await printedTypes(
    Object.fromEntries(Object.entries(schemas).map(([type, zod]) => [type, z.toJSONSchema(zod)])),
  );
  expect(printed).toContain(`export interface DeclarationsV2 {
  Paid: {
    /** The amount paid, in cents. */
    cents: number;
    by?: ("owner" | "it's me");
    "due-date": (string | null);
    rates: {
      [name: string]: number;
    };
    range: [number, number];
  };
  Tree: {
    children: Array<DeclarationsV2TreeType2Part1>;
  };
  Closed: ({
    at: 1;
  } | null);
}

export type DeclarationsV2TreeType2Part1 = {
  children: Array<DeclarationsV2TreeType2Part1>;
};
`);
});
