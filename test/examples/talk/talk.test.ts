import { expect, test } from "bun:test";
import { join } from "node:path";

const CHAPTERS = 7;

test("the story holds, from the lost message to the retired version", async () => {
  const story = Bun.spawn([process.execPath, join(import.meta.dir, "story.ts")], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [printed, wrong] = await Promise.all([
    new Response(story.stdout).text(),
    new Response(story.stderr).text(),
  ]);
  expect([await story.exited, wrong]).toEqual([0, ""]);
  const chapters = printed.split("\n").filter((line) => /^\d\. /.test(line));
  expect(chapters).toHaveLength(CHAPTERS);
}, 120_000);
