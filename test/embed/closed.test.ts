import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");

/** A program whose feeds have just projected events when it closes the store. It reports whether it still runs after that. */
const PROGRAM = `
import { createKilde } from ${JSON.stringify(join(ROOT, "src/embed/index.ts"))};
import { defineFeed } from ${JSON.stringify(join(ROOT, "src/index.ts"))};
import { z } from ${JSON.stringify(join(ROOT, "node_modules/zod"))};
const feeds = ["one", "other"].map((name) =>
  defineFeed({
    name, version: 1, events: { A: z.null() }, contract: { A: z.null() },
    publish: { A: () => ({ type: "A", data: null }) },
  }));
const kilde = await createKilde({ databaseUrl: ":memory:", feeds });
await kilde.append("s", { type: "A", data: null });
await Promise.all(feeds.map(async ({ name }) => {
  const seen = new AbortController();
  for await (const event of kilde.follow({ feed: name + "/v1", signal: seen.signal })) seen.abort();
}));
await kilde.close();
console.log("closed");
setTimeout(() => console.log("still running"), 300).unref();
`;

test("a program ends when it has closed its store", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kilde-embed-"));
  try {
    const file = join(folder, "program.ts");
    writeFileSync(file, PROGRAM);
    const program = Bun.spawn([process.execPath, file], { stdout: "pipe", stderr: "inherit" });
    expect(await new Response(program.stdout).text()).toBe("closed\n");
    expect(await program.exited).toBe(0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
