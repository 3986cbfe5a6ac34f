import { expect, test } from "bun:test";
import { join } from "node:path";

import { examineAt, newDatabase } from "../runtime/server/servers.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { openTestAccess } from "./opened.ts";

const PROGRAM = join(import.meta.dir, "killed-keys.ts");

const ROUNDS = 15;
const MIN_WORK_MS = 300;
const MAX_WORK_MS = 1_200;

/** The tokens that a process printed after a word, in whole lines. */
function tokensAfter(word: string, output: string): string[] {
  return output
    .split("\n")
    .slice(0, -1)
    .filter((line) => line.startsWith(`${word} `))
    .map((line) => line.slice(word.length + 1));
}

test("a process that is killed anywhere loses no key that it created and revives none that it revoked", async () => {
  const { url, stop } = await newDatabase("file");
  const created: string[] = [];
  const revoking = new Set<string>();
  const revoked = new Set<string>();
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      // Two processes at the same time, on one file.
      const outputs = await Promise.all(
        [0, 1].map(async () => {
          const child = Bun.spawn([process.execPath, PROGRAM, url], { stdout: "pipe", stderr: "inherit" });
          const output = new Response(child.stdout).text();
          await Bun.sleep(MIN_WORK_MS + Math.random() * (MAX_WORK_MS - MIN_WORK_MS));
          expect(child.exitCode).toBeNull();
          child.kill("SIGKILL");
          await child.exited;
          return output;
        }),
      );
      for (const output of outputs) {
        created.push(...tokensAfter("created", output));
        for (const token of tokensAfter("revoking", output)) revoking.add(token);
        for (const token of tokensAfter("revoked", output)) revoked.add(token);
      }
      const database = openDatabase({ url });
      const access = await openTestAccess({ database });
      for (const token of created) {
        const isKnown = (await access.authenticate(token)) !== null;
        if (revoked.has(token)) expect(isKnown).toBe(false);
        else if (!revoking.has(token)) expect(isKnown).toBe(true);
      }
      await access.close();
      database.close();
      expect(await examineAt(url)).toEqual([]);
    }
  } finally {
    await stop();
  }
  expect(revoked.size).toBeGreaterThan(ROUNDS);
});
