import { readObject } from "../client/parse-answer.ts";
import type { Command } from "commander";

import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";
import type { FeedEntry } from "./feed-versions.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";

interface ListFlags extends ServerFlags {
  readonly json?: boolean;
}

function progressOf({
  progress,
  failure,
  erasing,
  tracing,
  deprecated,
  sunset,
  draft,
  access,
}: FeedEntry): string {
  const notes: string[] = [];
  if (progress !== null && failure === null) {
    const { done, total, eventsPerSecond, secondsLeft } = progress;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    const left = secondsLeft === null ? "" : `, ${secondsLeft} s left`;
    notes.push(`${percent}% of ${total} events, ${eventsPerSecond}/s${left}`);
  }
  if (failure !== null) {
    const { position, subject, message, since } = failure;
    notes.push(`since ${since} at event ${position} (${subject}): ${message}`);
  }
  if (erasing) notes.push("erasing");
  if (tracing !== null)
    notes.push(`finding out where its events came from: ${tracing.done} of ${tracing.total}`);
  if (draft) notes.push("draft");
  if (access === "public") notes.push("public");
  if (deprecated !== null) notes.push(`deprecated ${deprecated}`);
  if (sunset !== null) notes.push(`gone ${sunset}`);
  return notes.join("; ");
}

function row(entry: FeedEntry): string {
  const { feed, version, status, head, lag } = entry;
  const columns = [
    `${feed}/v${version}`.padEnd(24),
    status.padEnd(10),
    String(head).padStart(10),
    `${lag.events} events, ${lag.seconds} s`.padEnd(22),
    progressOf(entry),
  ];
  return `${escapeLine(columns.join("  ").trimEnd())}\n`;
}

async function listFeeds({ stdout, ...context }: CliContext, { json, ...server }: ListFlags): Promise<void> {
  const { feeds } = await withServer({ stdout, ...context }, server, ({ request }) =>
    request("/feeds", {}, readObject<{ feeds: FeedEntry[] }>),
  );
  if (json === true) {
    await stdout.write(feeds.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    return;
  }
  const heading = `${"FEED".padEnd(24)}  ${"STATUS".padEnd(10)}  ${"HEAD".padStart(10)}  LAG\n`;
  await stdout.write(heading + feeds.map(row).join(""));
}

/** `kilde feeds list` */
export function feedsListCommand(context: CliContext): Command {
  return serverCommand("list")
    .description("Lists the feeds that a server has, with their status, lag and progress.")
    .addOption(jsonOption("print JSON, one version of a feed per line"))
    .addHelpText("after", examples("kilde feeds", "kilde feeds list --json"))
    .action((flags: ListFlags) => listFeeds(context, flags));
}
