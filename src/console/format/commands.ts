import { shellCommand } from "./shell-word.ts";

/** Commands of the command line that views offer to copy. */
export type Commands = ReturnType<typeof commandsAt>;

/** The commands for the server at an address. None has a token: the command line reads it from the environment or a file. */
export function commandsAt(url: string) {
  /** A verb that asks the server, with its options and arguments, of which none is taken for an option. */
  const ask = (verb: string, options: readonly string[], ...args: readonly string[]): string => {
    const separator = args.some((each) => each.startsWith("-")) ? ["--"] : [];
    return shellCommand("kilde", ...verb.split(" "), `--url=${url}`, ...options, ...separator, ...args);
  };
  const ofFeed = (feed: string | undefined) => (feed === undefined ? [] : [`--feed=${feed}`]);
  return {
    /** Appends a first event. */
    append: (stream: string) => ask("append", [], stream, "UserRegistered", JSON.stringify({ name: "Ida" })),
    exportStream: (stream: string) => ask("export", [`--stream=${stream}`]),
    resumeFeed: (feed: string, version: number) => ask("feeds resume", [], feed, `v${version}`),
    diffFeed: (feed: string, left: number, right: number, subject: string) =>
      ask("feeds diff", [`--subject=${subject}`], feed, `v${left}`, `v${right}`),
    /** Works on the files of a service, without a server. */
    testFeed: () => shellCommand("kilde", "feeds", "test", "users", "--fixtures", "test/users.ndjson"),
    retrySubject: (subscription: string, subject: string) => ask("webhooks retry", [], subscription, subject),
    /** Lists the consumers of a feed, or of the event log. */
    consumers: (feed: string | undefined) => ask("consumers", ofFeed(feed)),
    /** Reads as a consumer. */
    consume: (feed: string | undefined) => ask("follow", [...ofFeed(feed), "--consumer=cards"]),
    createWebhook: () => ask("webhooks create", [], "/events", "https://example.org/hook"),
    /** Works on the database of the settings, where the first key is created. */
    createKey: () => shellCommand("kilde", "keys", "create", "root", "--may=admin"),
  };
}
