import { Command } from "commander";
import { EventSourceParserStream } from "eventsource-parser/stream";

import { KildeUnreachableError } from "../client/index.ts";
import { backoffMs, isPassing, type RequestDeps, sendOnce } from "../client/request.ts";
import type { CliContext } from "./context.ts";
import { prettyEvent } from "./event-text.ts";
import { consumerOption, feedOption, type FeedVersion, pathOf } from "./log-source.ts";
import { examples, repeatable, urlOption, wholeNumber } from "./options.ts";
import { type Server, withServer } from "./server.ts";

interface FollowFlags {
  readonly url?: string;
  readonly lastEventId?: number;
  readonly type?: readonly string[];
  readonly prefix?: string;
  readonly pretty?: boolean;
  readonly feed?: FeedVersion;
  readonly consumer?: string;
}

interface SentEvent {
  readonly position: number;
  /** A CloudEvent, as the server wrote it. */
  readonly text: string;
}

/** The events of one connection, until it ends. */
async function* connection(
  deps: RequestDeps,
  path: string,
  query: URLSearchParams,
  after: number,
): AsyncGenerator<SentEvent | "connected", void, undefined> {
  const parameters = new URLSearchParams(query);
  parameters.set("lastEventId", String(after));
  const response = await sendOnce(deps, `${path}?${parameters}`, {
    headers: { accept: "text/event-stream" },
  });
  yield "connected";
  if (response.body === null) return;
  const decoder = new TextDecoderStream() as TransformStream<Uint8Array, string>;
  const events = response.body.pipeThrough(decoder).pipeThrough(new EventSourceParserStream());
  try {
    for await (const { id, data } of events) yield { position: Number(id), text: data };
  } catch (error) {
    throw new KildeUnreachableError(`The stream was cut off: ${String(error)}`, { cause: error });
  }
}

async function followFrom(
  context: CliContext,
  deps: RequestDeps,
  path: string,
  flags: FollowFlags & { readonly lastEventId: number },
): Promise<never> {
  const query = new URLSearchParams(flags.prefix === undefined ? {} : { subjectPrefix: flags.prefix });
  for (const type of flags.type ?? []) query.append("type", type);
  let after = flags.lastEventId;
  let failures = 0;
  let wasConnected = false;
  for (;;) {
    let failure: unknown = null;
    try {
      for await (const event of connection(deps, path, query, after)) {
        wasConnected = true;
        failures = 0;
        if (event === "connected") continue;
        after = event.position;
        await context.stdout.write(flags.pretty === true ? prettyEvent(event.text) : `${event.text}\n`);
      }
    } catch (error) {
      // A server that was never there is a mistake; one that went away comes back.
      if (!wasConnected || !isPassing(error)) throw error;
      failure = error;
    }
    failures += 1;
    await context.clock.sleep(backoffMs(deps, failures, failure));
  }
}

async function follow(context: CliContext, stream: string | undefined, flags: FollowFlags): Promise<void> {
  const path = pathOf(stream, flags.feed);
  const print = async ({ client, deps }: Server) => {
    const lastEventId = flags.lastEventId ?? (await client.head(flags.feed));
    await followFrom(context, deps, path, { ...flags, lastEventId });
  };
  await withServer(context, flags.url, print, { consumer: flags.consumer });
}

/** `kilde follow` */
export function followCommand(context: CliContext): Command {
  return new Command("follow")
    .description(
      "Prints events as CloudEvents in JSON, one a line, as they are appended; connects again if the server goes away, and misses none. Stop with Ctrl-C.",
    )
    .argument(
      "[stream]",
      "the stream (of a feed: the subject), which need not exist yet; none for the whole log",
    )
    .option(
      "--last-event-id <position>",
      "begin with the event after this position; 0 for all (default: from now on)",
      wholeNumber,
    )
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .option("--prefix <prefix>", "of the whole log: only streams whose name begins so")
    .addOption(feedOption())
    .addOption(consumerOption())
    .option("--pretty", "for people to read")
    .addOption(urlOption())
    .addHelpText(
      "after",
      examples(
        "kilde follow",
        "kilde follow user-1 --last-event-id 0 --pretty",
        "kilde follow --feed declarations/v2 --consumer cards",
      ),
    )
    .action((stream: string | undefined, flags: FollowFlags) => follow(context, stream, flags));
}
