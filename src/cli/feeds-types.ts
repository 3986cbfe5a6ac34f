import { readObject } from "../client/request.ts";
import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { versionNumber } from "./feeds-test.ts";
import { examples, urlOption } from "./options.ts";
import { withServer } from "./server.ts";

type Schemas = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** `declarations` and 2: `DeclarationsV2`. */
function interfaceName(feed: string, version: number): string {
  const words = feed.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
  return `${/^[0-9]/.test(name) ? "Feed" : ""}${name}V${version}`;
}

/** Indents by the braces at the ends of lines, as they stand in what is compiled. */
function indented(code: string): string {
  let depth = 0;
  return code
    .split("\n")
    .map((line) => {
      if (/^[}\])]/.test(line)) depth -= 1;
      const text = `${"  ".repeat(Math.max(0, depth))}${line}`.trimEnd();
      if (/[{[(]$/.test(line)) depth += 1;
      return text;
    })
    .join("\n");
}

/** What a feed publishes as TypeScript: an interface of its types, and the feed to give to a consumer. */
async function typeScriptOf(feed: string, version: number, schemas: Schemas): Promise<string> {
  // Only this verb needs it, and it is large.
  const { compile } = await import("json-schema-to-typescript");
  const name = interfaceName(feed, version);
  const whole = {
    title: name,
    type: "object" as const,
    properties: schemas,
    required: Object.keys(schemas),
    additionalProperties: false,
  };
  const types = await compile(whole, name, {
    additionalProperties: false,
    bannerComment: "",
    format: false,
    $refOptions: { resolve: { file: false, http: false } },
  });
  const constant = name.charAt(0).toLowerCase() + name.slice(1);
  return `// Made by \`kilde feeds types ${feed} v${version}\`.
import { feed } from "kilde/consumer";

${indented(types.trim())}

export const ${constant} = feed<{ [Type in keyof ${name}]: ${name}[Type] }>(${JSON.stringify(`${feed}/v${version}`)});
`;
}

async function printTypes(
  context: CliContext,
  feed: string,
  version: number,
  { url }: { readonly url?: string },
): Promise<void> {
  const { schemas } = await withServer(context, url, ({ request }) =>
    request(`/feeds/${encodeURIComponent(feed)}/v${version}/schemas`, {}, readObject<{ schemas: Schemas }>),
  );
  await context.stdout.write(await typeScriptOf(feed, version, schemas));
}

/** `kilde feeds types` */
export function feedsTypesCommand(context: CliContext): Command {
  return new Command("types")
    .description(
      "Prints what a version of a feed publishes as TypeScript, for consumers in other repositories.",
    )
    .argument("<feed>", "the feed's name")
    .argument("<version>", "its version", versionNumber)
    .addOption(urlOption())
    .addHelpText("after", examples("kilde feeds types declarations v2 > declarations-v2.ts"))
    .action((feed: string, version: number, flags: { readonly url?: string }) =>
      printTypes(context, feed, version, flags),
    );
}
