import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { emitTypes } from "../emit-types.ts";
import { LIBRARY } from "../library.ts";
import { type Declaration, type DeclarationKind, exportsOf } from "./declarations.ts";
import { code, referencePage } from "./markdown.ts";

interface Entry {
  /** Name of the page, and of the part of the library. */
  readonly page: string;
  readonly part: string;
  readonly specifier: string;
  readonly introduction: string;
}

/** The entries of the package. The first page that exports a declaration documents it. */
const ENTRIES: readonly Entry[] = [
  {
    page: "client",
    part: "client",
    specifier: "kilde/client",
    introduction:
      "A client of a server, on `node:http` in Node and on `fetch` elsewhere. [Your first stream](../start/first-stream.md#from-typescript) shows it.",
  },
  {
    page: "consumer",
    part: "consumer",
    specifier: "kilde/consumer",
    introduction:
      "Consumes a feed or the event log, with cursors in your own database. [Consume a feed](../how-to/consume-a-feed.md) shows it.",
  },
  {
    page: "decider",
    part: "decider",
    specifier: "kilde/decider",
    introduction: "Handles commands. [Handle commands](../how-to/handle-commands.md) shows it.",
  },
  {
    page: "definitions",
    part: "index",
    specifier: "kilde",
    introduction: "Defines feeds and configuration. [Define a feed](../how-to/define-a-feed.md) shows it.",
  },
  {
    page: "embed",
    part: "embed",
    specifier: "kilde/embed",
    introduction: "An event store in your own process. [Embed Kilde](../how-to/embed-kilde.md) shows it.",
  },
  {
    page: "webhook",
    part: "webhook",
    specifier: "kilde/webhook",
    introduction:
      "Receives webhooks in your own service. [Receive webhooks](../how-to/receive-webhooks.md) shows it.",
  },
  {
    page: "worker",
    part: "worker",
    specifier: "kilde/worker",
    introduction: "A server for edge platforms. [Run at the edge](../how-to/run-at-the-edge.md) shows it.",
  },
  {
    page: "testing",
    part: "testing",
    specifier: "kilde/testing",
    introduction:
      "Tests feeds and deciders. [Define a feed](../how-to/define-a-feed.md#test-a-feed) shows it.",
  },
];

const KINDS: readonly (readonly [DeclarationKind, string])[] = [
  ["function", "Functions"],
  ["class", "Classes"],
  ["value", "Values"],
  ["type", "Types"],
];

/** The text of a doc comment in Markdown. Examples are marked as `typescript`: tests run blocks marked as `ts`. */
function commentText(comment: string): string {
  return comment
    .replaceAll(/^\/\*\*\s?|\s*\*\/$/g, "")
    .replaceAll(/^ \* ?/gm, "")
    .replaceAll("```ts\n", "```typescript\n")
    .replaceAll(/^@example\s*/gm, "\n")
    .replaceAll(/^@(param|returns|throws) /gm, (_, tag: string) => `\n*${tag}* `)
    .replaceAll(/\n{3,}/g, "\n\n")
    .trim();
}

function declarationText(text: string): string {
  return text
    .replace(/^export (declare )?/, "")
    .split("\n")
    .filter((line) => !/^ {4}(private |#|static override get \[Symbol|static \[Symbol)/.test(line))
    .map((line) => line.replace(/^( {4})+/, (indent) => "  ".repeat(indent.length / 4)))
    .join("\n");
}

function declarationBlocks({ name, parts }: Declaration): string[] {
  const blocks = parts.flatMap(({ comment, text }) => [
    commentText(comment),
    `\`\`\`typescript\n${declarationText(text)}\n\`\`\``,
  ]);
  return [`### ${name}`, ...blocks.filter((block) => block !== "")];
}

function entryPage(
  { page, specifier, introduction }: Entry,
  declarations: readonly Declaration[],
  documented: Map<string, string>,
): string {
  const keyOf = ({ file, name }: Declaration): string => `${file}#${name}`;
  const known = declarations.filter((declaration) => documented.has(keyOf(declaration)));
  const own = declarations.filter((declaration) => !documented.has(keyOf(declaration)));
  for (const declaration of own)
    documented.set(keyOf(declaration), `${page}.md#${declaration.name.toLowerCase()}`);
  const links = known.map(
    (declaration) => `[${code(declaration.name)}](${documented.get(keyOf(declaration))})`,
  );
  return referencePage(code(specifier), `the exports of \`${specifier}\``, [
    introduction,
    ...KINDS.flatMap(([kind, title]) => {
      const ofKind = own.filter((declaration) => declaration.kind === kind);
      return ofKind.length === 0 ? [] : [`## ${title}`, ...ofKind.flatMap(declarationBlocks)];
    }),
    ...(links.length === 0 ? [] : ["## Also exported", `${links.join(", ")}.`]),
  ]);
}

/** A page for each entry of the library, from the declarations that the compiler emits. By the name of the page. */
export async function libraryPages(): Promise<ReadonlyMap<string, string>> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-types-"));
  try {
    await emitTypes(folder);
    const documented = new Map<string, string>();
    return new Map(
      ENTRIES.map((entry) => {
        const source = LIBRARY.find(({ name }) => name === entry.part)?.entry ?? "";
        const declarations = exportsOf(join(folder, source.replace(/^src\//, "").replace(/\.ts$/, ".d.ts")));
        return [entry.page, entryPage(entry, declarations, documented)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
