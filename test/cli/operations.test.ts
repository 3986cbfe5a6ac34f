import { expect, test } from "bun:test";

import type { WireEvent } from "../support/app.ts";
import { cleanUp, emptyFolder, serve } from "./support.ts";

cleanUp();

test("operations prints the log of administration as a table, or as CloudEvents", async () => {
  const server = await serve(emptyFolder());
  for (const name of ["a", "b"]) {
    expect((await server.kilde(["append", name, "A", "{}"])).exitCode).toBe(0);
    expect((await server.kilde(["erase", name, "--reason", "asked"])).exitCode).toBe(0);
  }
  const table = (await server.kilde(["operations", "--since", "1d"])).stdout.trimEnd().split("\n");
  expect(table.map((line) => line.split(/ {2,}/).slice(1))).toEqual([
    ["CHANGE", "BY", "RESOURCE", "DETAILS"],
    ["stream.erased", "-", "/streams/a", "reason=asked"],
    ["stream.erased", "-", "/streams/b", "reason=asked"],
  ]);
  const { stdout } = await server.kilde(["operations", "--json", "--type", "kilde.stream.erased"]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines.map((line) => (JSON.parse(line) as WireEvent).subject)).toEqual(["/streams/a", "/streams/b"]);
  const read = await server.kilde(["read", "--feed", "/operations", "--json"]);
  expect(read.stdout).toBe(stdout);
  await Bun.sleep(1_100);
  const recent = await server.kilde(["operations", "--since", "1s"]);
  expect(recent.stdout.trimEnd().split("\n")).toHaveLength(1);
  const refused = await server.kilde(["operations", "--since", "yesterday"]);
  expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining("a duration such as 90s")]);
});
