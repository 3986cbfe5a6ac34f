import type { Command } from "commander";

import type { CliContext } from "./context.ts";
import { changeFeed, type FeedEntry, feedRequestPath } from "./feed-versions.ts";
import { versionNumber } from "./feeds-test.ts";
import { examples, jsonOption, reasonOption, serverCommand, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";

interface ChangeFlags extends ServerFlags {
  readonly json?: boolean;
  readonly force?: boolean;
}

interface Change {
  readonly verb: "retire" | "rebuild" | "resume";
  readonly description: string;
  readonly method: "POST" | "DELETE";
  /** Rest of the URL after the feed's path. */
  readonly suffix: (flags: ChangeFlags) => string;
  readonly done: (feed: string, entry: FeedEntry) => string;
}

const CHANGES: readonly Change[] = [
  {
    verb: "retire",
    description:
      "Removes a version of a feed permanently. The server refuses while a consumer has read it within its window, a subscription that is not paused delivers it, or another feed is projected from it.",
    method: "DELETE",
    suffix: ({ force }) => (force === true ? "?force=true" : ""),
    done: (feed) => `${feed} is retired. Its events are being deleted; take it out of kilde.config.ts.`,
  },
  {
    verb: "rebuild",
    description: "Empties a draft of a feed, and builds it again. Its positions continue after the last one.",
    method: "POST",
    suffix: () => "/rebuild",
    done: (feed) => `${feed} is being emptied, and then built again; \`kilde feeds\` shows its progress.`,
  },
  {
    verb: "resume",
    description: "Retries a halted feed, at the event that it halted at.",
    method: "POST",
    suffix: () => "/resume",
    done: (feed, { status }) => `${feed} is ${status}.`,
  },
];

/** `kilde feeds retire`, `rebuild` and `resume`. */
export function feedsChangeCommands(context: CliContext): Command[] {
  return CHANGES.map(({ verb, description, method, suffix, done }) => {
    const command = serverCommand(verb)
      .description(description)
      .argument("<feed>", "the feed's name")
      .argument("<version>", "its version", versionNumber)
      .addOption(reasonOption())
      .addOption(jsonOption("print the feed's new state as JSON"))
      .addHelpText("after", examples(`kilde feeds ${verb} declarations v1`));
    if (verb === "retire")
      command.option("--force", "retire it even if it has readers; pauses its subscriptions");
    return command.action(async (feed: string, version: number, flags: ChangeFlags) => {
      const path = feedRequestPath(feed, version) + suffix(flags);
      const entry = await withServer(context, flags, (server) => changeFeed(server, method, path));
      const text = flags.json === true ? JSON.stringify(entry) : done(`${feed}/v${version}`, entry);
      await context.stdout.write(`${text}\n`);
    });
  });
}
