import { shellCommand } from "./shell-word.ts";

/** A verb with its arguments, of which none is taken for an option. */
function withArguments(verb: readonly string[], args: readonly string[]): string {
  const separator = args.some((each) => each.startsWith("-")) ? ["--"] : [];
  return shellCommand("kilde", ...verb, ...separator, ...args);
}

/** Commands of the command line that views offer to copy. */
export const COMMANDS = {
  /** Appends a first event. */
  append: (stream: string): string =>
    withArguments(["append"], [stream, "UserRegistered", JSON.stringify({ name: "Ida" })]),
  exportStream: (stream: string): string => shellCommand("kilde", "export", `--stream=${stream}`),
  resumeFeed: (feed: string, version: number): string =>
    withArguments(["feeds", "resume"], [feed, `v${version}`]),
  diffFeed: (feed: string, left: number, right: number, subject: string): string =>
    shellCommand("kilde", "feeds", "diff", feed, `v${left}`, `v${right}`, `--subject=${subject}`),
  testFeed: (): string => shellCommand("kilde", "feeds", "test", "users", "--fixtures", "test/users.ndjson"),
  retrySubject: (subscription: string, subject: string): string =>
    withArguments(["webhooks", "retry"], [subscription, subject]),
  /** Lists the consumers of a feed, or of the event log. */
  consumers: (feed: string | undefined): string =>
    shellCommand("kilde", "consumers", ...(feed === undefined ? [] : [`--feed=${feed}`])),
  /** Reads as a consumer. */
  consume: (feed: string | undefined): string =>
    shellCommand("kilde", "follow", ...(feed === undefined ? [] : [`--feed=${feed}`]), "--consumer=cards"),
  createWebhook: (): string =>
    shellCommand("kilde", "webhooks", "create", "/events", "https://example.org/hook"),
  createKey: (): string => shellCommand("kilde", "keys", "create", "root", "--may=admin"),
} as const;
