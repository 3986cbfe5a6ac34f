import { expect, test } from "bun:test";

import { shellCommand, shellWord } from "../../../src/console/format/shell-word.ts";

test.each([
  ["user-1", "user-1"],
  ["a b", "'a b'"],
  ["$(rm -rf /)", "'$(rm -rf /)'"],
  ["it's", String.raw`'it'\''s'`],
  ["--force", "'--force'"],
  ["", "''"],
  ["a\nb", String.raw`$'a\x0ab'`],
  ["a\u202eb'", String.raw`$'a\xe2\x80\xaeb\''`],
])("shell word: %j is quoted as %s", (text, quoted) => {
  expect(shellWord(text)).toBe(quoted);
});

test("shell word: a shell reads each word as it was", async () => {
  const words = ["a b", "it's", '$HOME `id` \\ "', "line\nbreak", "tab\there", "\u202e'\\"];
  const child = Bun.spawn(["bash", "-c", shellCommand("printf", String.raw`%s\0`, ...words)]);
  expect(await new Response(child.stdout).text()).toBe(words.map((word) => `${word}\0`).join(""));
});
