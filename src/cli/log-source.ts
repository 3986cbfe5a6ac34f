import { InvalidArgumentError, Option } from "commander";

import { logPath, sourcePath } from "../client/read.ts";
import type { FeedVersion } from "../client/types.ts";
import { streamName } from "./server.ts";

/** Parses a feed and its version, as the client names them. */
function feedVersion(text: string): FeedVersion {
  try {
    logPath(text);
  } catch {
    throw new InvalidArgumentError('It must be a feed and its version, such as "declarations/v2".');
  }
  return text as FeedVersion;
}

export type FeedVersionArgument = ReturnType<typeof feedVersion>;

export function feedOption(): Option {
  return new Option(
    "--feed <feed>",
    'a feed instead of the event log, such as "declarations/v2"; or "/operations", the log of administration',
  ).argParser(feedVersion);
}

/** A log: a feed, or the event log (`feed` is undefined). */
export interface Log {
  readonly feed: FeedVersionArgument | undefined;
}

/**
 * Parses the path of a log, as the API and events name it: `/events`, `/operations`, or `/feeds/declarations/v2`. Returns an object,
 * because commander treats an undefined result of a parser as an empty text.
 */
export function logAt(path: string): Log {
  if (path === "/events") return { feed: undefined };
  if (path === "/operations") return { feed: path };
  const name = /^\/feeds\/([^%]+)$/.exec(path)?.[1];
  if (name === undefined) {
    throw new InvalidArgumentError(
      'It must be the path of a log: "/events", "/operations", or "/feeds/declarations/v2".',
    );
  }
  return { feed: feedVersion(name) };
}

export function consumerOption(): Option {
  return new Option("--consumer <name>", "name of this consumer, under which the server lists it");
}

/** The path of the log, or of a stream or subject of it. */
export function pathOf(name: string | undefined, feed: FeedVersionArgument | undefined): string {
  if (name === undefined) return logPath(feed);
  return feed === undefined
    ? sourcePath({ stream: streamName(name) })
    : sourcePath({ feed, subject: streamName(name) });
}
