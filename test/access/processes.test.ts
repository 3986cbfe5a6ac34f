import { expect, test } from "bun:test";
import { join } from "node:path";

import { openDatabase } from "../../src/storage/open.ts";
import { eventually } from "../support/eventually.ts";
import { newDatabase } from "../runtime/server/servers.ts";
import { openTestAccess } from "./opened.ts";

const PROGRAM = join(import.meta.dir, "killed-keys.ts");

test("a key that another process creates works here, and ends here within 5 seconds of its revocation there", async () => {
  const { url, stop } = await newDatabase("file");
  const database = openDatabase({ url });
  const access = await openTestAccess({ database });
  const child = Bun.spawn([process.execPath, PROGRAM, url], { stdout: "pipe", stderr: "inherit" });
  let output = "";
  const decoder = new TextDecoder();
  const reading = (async () => {
    for await (const bytes of child.stdout) output += decoder.decode(bytes, { stream: true });
  })();
  const printed = (word: string) =>
    eventually(() => new RegExp(`^${word} (\\S+)\\n`, "m").exec(output)?.[1] ?? null);
  try {
    const token = await printed("created");
    expect(await eventually(() => access.authenticate(token))).toMatchObject({
      kind: "key",
      credential: token.slice(6, 18),
    });
    const ended = await printed("revoked");
    const began = performance.now();
    await eventually(async () => (await access.authenticate(ended)) === null);
    expect(performance.now() - began).toBeLessThan(5_000);
    // The first key of the process is never revoked.
    expect(await access.authenticate(token)).not.toBeNull();
  } finally {
    child.kill("SIGKILL");
    await reading;
    await access.close();
    database.close();
    await stop();
  }
});
