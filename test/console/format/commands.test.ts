import { expect, test } from "bun:test";

import { commandsAt } from "../../../src/console/format/commands.ts";
import { commandFault } from "../../support/command-fault.ts";

const URL = "https://kilde.example.org/tenants/a";

const COMMANDS = commandsAt(URL);

/** The words that a shell passes to `kilde`. */
async function wordsOf(command: string): Promise<string[]> {
  const child = Bun.spawn(["bash", "-c", `kilde() { printf '%s\\0' "$@"; }; ${command}`]);
  return (await new Response(child.stdout).text()).split("\0").slice(0, -1);
}

test.each(["user-1", "-v", "--url", "it's $HOME", "a b"])(
  "commands: the command line takes each of them, about %j",
  async (name) => {
    const commands = [
      COMMANDS.append(name),
      COMMANDS.exportStream(name),
      COMMANDS.resumeFeed("users", 2),
      COMMANDS.diffFeed("users", 1, 2, name),
      COMMANDS.testFeed(),
      COMMANDS.retrySubject("sub_1", name),
      COMMANDS.consumers("users/v2"),
      COMMANDS.consume("users/v2"),
      COMMANDS.createWebhook(),
      COMMANDS.createKey(),
    ];
    expect(commands.length).toBe(Object.keys(COMMANDS).length);
    for (const command of commands) {
      expect([command, await commandFault(await wordsOf(command))]).toEqual([command, null]);
    }
  },
);

test("commands: those that ask a server name the one of the page, and none has a token", async () => {
  for (const command of [
    COMMANDS.append("-v"),
    COMMANDS.exportStream("user-1"),
    COMMANDS.resumeFeed("users", 2),
    COMMANDS.diffFeed("users", 1, 2, "user-1"),
    COMMANDS.retrySubject("sub_1", "user-1"),
    COMMANDS.consumers(undefined),
    COMMANDS.consume(undefined),
    COMMANDS.createWebhook(),
  ]) {
    expect(await wordsOf(command)).toContain(`--url=${URL}`);
    expect(command).not.toContain("--token");
  }
});

test("commands: a command that the command line does not know is a fault", async () => {
  expect(await commandFault(["feeds", "resume", "users/v2"])).toContain("missing required argument");
});
