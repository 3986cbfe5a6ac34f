import { expect, test } from "bun:test";
import { mkdirSync, renameSync, rmdirSync } from "node:fs";

import { trimHeap } from "../../../src/storage/writer/trim-heap.ts";
import { createTroubleReports, type WriterTrouble } from "../../../src/storage/writer/writer-trouble.ts";
import { logWriterTrouble } from "../../../src/runtime/server/writer-troubles.ts";
import { eventually } from "../../support/eventually.ts";
import { withThreadedApp } from "../../support/threaded-app.ts";

test("a background checkpoint that fails is reported once, and appends continue", () =>
  withThreadedApp(async ({ app, path, troubles }) => {
    const events = Array.from({ length: 10 }, () => ({ type: "T", data: "x".repeat(50_000) }));
    renameSync(path, `${path}.moved`);
    // The checkpoint opens the file by its name, the connections that are open keep it.
    mkdirSync(path);
    for (let appends = 0; appends < 6; appends += 1) await app.append("s", ...events);
    await eventually(() => troubles.length > 0);
    await Bun.sleep(600);
    expect(troubles).toEqual([{ work: "checkpoint", error: expect.stringContaining("Unable to open") }]);
    rmdirSync(path);
    renameSync(`${path}.moved`, path);
    expect(await app.get("/streams/s?limit=100")).toHaveLength(60);
  }));

test("a C library that cannot return freed memory is an error that names the library", () => {
  expect(() => trimHeap("libc.absent.so")).toThrow("libc.absent.so");
});

test("the log reports the first trouble of each kind, with its error and a remedy", () => {
  const lines: [level: string, fields: object, message: string][] = [];
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push([level, fields, message]);
  const logger = { info: log("info"), warn: log("warn"), error: log("error") };
  const report = createTroubleReports((trouble: WriterTrouble) => logWriterTrouble(logger, trouble));
  for (const error of ["first", "second"]) {
    report({ work: "checkpoint", error });
    report({ work: "release-memory", error });
    report({ work: "trim-heap", error });
  }
  expect(lines).toEqual([
    [
      "warn",
      { error: "first", remedy: expect.stringContaining("Check the disk") },
      expect.stringContaining("write-ahead log"),
    ],
    [
      "warn",
      { error: "first", remedy: expect.stringContaining("restart") },
      expect.stringContaining("memory of a load"),
    ],
    [
      "info",
      { error: "first", remedy: expect.stringContaining("glibc") },
      expect.stringContaining("C library"),
    ],
  ]);
});
