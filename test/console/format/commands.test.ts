import { expect, test } from "bun:test";

import { COMMANDS } from "../../../src/console/format/commands.ts";
import { commandFault } from "../../support/command-fault.ts";

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

test("commands: a command that the command line does not know is a fault", async () => {
  expect(await commandFault(["feeds", "resume", "users/v2"])).toContain("missing required argument");
});
