import { type Command, InvalidArgumentError } from "commander";

import type { Answer } from "../client/answer.ts";
import { readObject } from "../client/parse-answer.ts";
import { UnexpectedAnswerError } from "../client/unexpected-answer.ts";
import { FEED_NAME } from "../core/names.ts";

import type { CliContext } from "./context.ts";
import { feedRequestPath } from "./feed-versions.ts";
import { versionNumber } from "./feeds-test.ts";
import { examples, serverCommand, type ServerFlags } from "./options.ts";
import { pascalCase, type SchemaSet, typesOfSchemas } from "./schema-types.ts";
import { withServer } from "./server.ts";

/** `declarations` and 2: `DeclarationsV2`. */
function interfaceName(feed: string, version: number): string {
  const name = pascalCase(feed);
  return `${/^[A-Z]/.test(name) ? "" : "Feed"}${name}V${version}`;
}

/** TypeScript for the consumers of a feed: an interface of its types, and the feed to pass to a consumer. */
function typeScriptOf(feed: string, version: number, schemas: SchemaSet): string {
  const name = interfaceName(feed, version);
  const constant = name.charAt(0).toLowerCase() + name.slice(1);
  return `// Made by \`kilde feeds types ${feed} v${version}\`.
import { feed } from "kilde/consumer";

${typesOfSchemas(name, schemas)}

export const ${constant} = feed<{ [Type in keyof ${name}]: ${name}[Type] }>(${JSON.stringify(`${feed}/v${version}`)});
`;
}

/** Parses a feed's name: letters, digits and hyphens, which are safe in code. */
function feedName(text: string): string {
  if (FEED_NAME.test(text)) return text;
  throw new InvalidArgumentError("It must be the name of a feed, such as declarations.");
}

async function readSchemas(response: Answer): Promise<SchemaSet> {
  const { schemas } = await readObject<{ schemas?: unknown }>(response);
  if (typeof schemas === "object" && schemas !== null && !Array.isArray(schemas)) return schemas as SchemaSet;
  throw new UnexpectedAnswerError(response.status, "The answer has no schemas");
}

async function printTypes(
  context: CliContext,
  feed: string,
  version: number,
  server: ServerFlags,
): Promise<void> {
  const schemas = await withServer(context, server, ({ request }) =>
    request(`${feedRequestPath(feed, version)}/schemas`, {}, readSchemas),
  );
  await context.stdout.writeExact(typeScriptOf(feed, version, schemas));
}

/** `kilde feeds types` */
export function feedsTypesCommand(context: CliContext): Command {
  return serverCommand("types")
    .description(
      "Prints the types of a version of a feed as TypeScript, for consumers in other repositories.",
    )
    .argument("<feed>", "the feed's name", feedName)
    .argument("<version>", "its version", versionNumber)
    .addHelpText("after", examples("kilde feeds types declarations v2 > declarations-v2.ts"))
    .action((feed: string, version: number, flags: ServerFlags) => printTypes(context, feed, version, flags));
}
