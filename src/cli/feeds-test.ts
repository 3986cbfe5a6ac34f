import { type Command, InvalidArgumentError } from "commander";

import { sourcePath } from "../client/read.ts";
import type { SourceEvent } from "../feeds/define/define.ts";
import { type Feed, ProjectionError } from "../feeds/feed.ts";
import { createChainedRehearsal, type RehearsedEvent } from "../feeds/define/rehearse.ts";
import { feedWithSources } from "./configured-feeds.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import { fixtureReader } from "./fixture-events.ts";
import { linesOf } from "./lines.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { readPages } from "./pages.ts";
import { streamName, withServer } from "./server.ts";
import { openSource } from "./source.ts";

interface TestFlags extends ServerFlags {
  readonly version?: number;
  readonly fixtures?: string;
  readonly stream?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Parses the number of a version, written `2` or `v2`. */
export function versionNumber(text: string): number {
  const number = /^v?([1-9]\d{0,8})$/.exec(text)?.[1];
  if (number === undefined) throw new InvalidArgumentError("It must be a version, such as 2 or v2.");
  return Number(number);
}

type Take = (event: SourceEvent) => Promise<void>;

async function takeFixtures(context: CliContext, file: string, stream: string, take: Take): Promise<void> {
  const eventOf = fixtureReader(stream);
  for await (const lines of linesOf(openSource(context, file).bytes)) {
    for (const { text, number } of lines) if (text.trim() !== "") await take(eventOf(text, number));
  }
}

async function takeStream(
  context: CliContext,
  stream: string,
  flags: ServerFlags,
  take: Take,
): Promise<void> {
  const eventOf = fixtureReader(stream);
  await withServer(context, flags, async (server) => {
    let number = 0;
    for await (const { lines } of readPages(
      server,
      sourcePath({ stream: streamName(stream) }),
      new URLSearchParams(),
    )) {
      for (const line of lines) await take(eventOf(line, (number += 1)));
    }
  });
}

function rehearsedText({ type, subject, version, data }: RehearsedEvent): string {
  const text = data === null ? "" : `    ${JSON.stringify(data)}\n`;
  return `  → ${type}  ${subject}@${version}\n${text}`;
}

function sourceText({ type, subject, version, position }: SourceEvent): string {
  return `${position}  ${subject}@${version}  ${type}\n`;
}

function haltOf(feed: Feed, error: ProjectionError): CliError {
  return new CliError(
    EXIT.failure,
    `${feed.path} would halt at event ${error.position} (subject ${JSON.stringify(error.subject)}): ${error.message}`,
    "Correct the definition, and run this again.",
    { cause: error },
  );
}

async function testFeed(context: CliContext, name: string, flags: TestFlags): Promise<void> {
  const { version, fixtures, stream, config } = flags;
  if ((fixtures === undefined) === (stream === undefined)) {
    throw new CliError(EXIT.usage, "State the events: --fixtures <file>, or --stream <name>");
  }
  const chain = await feedWithSources(context, { name, version, config });
  const [first] = chain;
  const feed = chain.at(-1);
  if (feed === undefined || first === undefined) throw new Error("a chain of feeds ends in one");
  const rehearsal = createChainedRehearsal(chain);
  let read = 0;
  let published = 0;
  const take: Take = async (event) => {
    const events = rehearsal(event);
    read += 1;
    published += events.length;
    const text =
      flags.json === true
        ? events.map((each) => `${JSON.stringify(each)}\n`).join("")
        : sourceText(event) + (events.length === 0 ? "  (nothing)\n" : events.map(rehearsedText).join(""));
    if (text !== "") await context.stdout.write(text);
  };
  try {
    if (fixtures !== undefined) {
      await takeFixtures(context, fixtures, `${first.source.prefixes[0] ?? "subject-"}1`, take);
    } else if (stream !== undefined) await takeStream(context, stream, flags, take);
  } catch (error) {
    throw error instanceof ProjectionError ? haltOf(feed, error) : error;
  }
  if (flags.json !== true) {
    await context.stdout.write(`${feed.path} would publish ${published} for ${read} events read\n`);
  }
}

/** `kilde feeds test` */
export function feedsTestCommand(context: CliContext): Command {
  return serverCommand("test")
    .description(
      "Runs a feed of kilde.config.ts over events, prints the events that it would publish, and checks that it is deterministic. Publishes nothing.",
    )
    .argument("<feed>", "the feed's name")
    .option("--version <version>", "default: the last", versionNumber)
    .option(
      "--fixtures <file>",
      "NDJSON, plain or gzip, in the format of `kilde import` or `kilde read`; - for standard input",
    )
    .option("--stream <name>", "a stream of a server")
    .option("--config <file>", "default: kilde.config.ts")
    .addOption(jsonOption("print JSON, one published event per line"))
    .addHelpText(
      "after",
      examples(
        "kilde feeds test declarations --fixtures test/paid.ndjson",
        "kilde feeds test declarations --version 2 --stream declaration-81250 --json | jq .data",
      ),
    )
    .action((name: string, flags: TestFlags) => testFeed(context, name, flags));
}
