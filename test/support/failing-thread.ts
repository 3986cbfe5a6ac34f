import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";

import type { ThreadCommand } from "../../src/storage/writer/writer-thread.ts";

/*
 * The thread that writes, with faults: each run takes the first line of the file `<database>.faults`. When there is none
 * it runs as the real thread, until a file `<database>.crash` appears.
 */

/** `second-write`: writes nothing, and fails at the second write. `open`: cannot open. `exit`: ends at the first write. */
export type ThreadFault = "second-write" | "open" | "exit";

declare const self: Worker;

let fault: string | undefined;
let opened = "";
let writes = 0;
let early: unknown[] | null = null;

function faultsFile(path: string): string {
  return `${path}.faults`;
}

/** Has the next runs of the thread fail, one after the other. */
export function failRuns(path: string, faults: readonly ThreadFault[]): void {
  writeFileSync(faultsFile(path), faults.join("\n"));
}

function crashFile(path: string): string {
  return `${path}.crash`;
}

/** Has the thread that runs fail at its next write. */
export function crashAtNextWrite(path: string): void {
  writeFileSync(crashFile(path), "");
}

function takeFault(path: string): string | undefined {
  if (!existsSync(faultsFile(path))) return undefined;
  const [first, ...rest] = readFileSync(faultsFile(path), "utf8").split("\n");
  writeFileSync(faultsFile(path), rest.join("\n"));
  return first === "" ? undefined : first;
}

async function becomeReal(): Promise<void> {
  early = [];
  await import("../../src/storage/writer/writer-thread.ts");
  const messages = early;
  early = null;
  for (const data of messages) self.dispatchEvent(new MessageEvent("message", { data }));
}

function isOpening(data: unknown[] | ThreadCommand): data is Extract<ThreadCommand, { kind: "open" }> {
  return !Array.isArray(data) && data.kind === "open";
}

if (!Bun.isMainThread) {
  self.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadCommand>) => {
    if (isOpening(data) && opened === "") {
      opened = data.path;
      fault = takeFault(data.path);
      if (fault === undefined) void becomeReal();
      else if (fault === "open") throw new Error("no file descriptors");
      else self.postMessage({ kind: "opened" });
    }
    if (early !== null) {
      early.push(data);
      return;
    }
    if (fault === undefined) {
      if (existsSync(crashFile(opened))) {
        rmSync(crashFile(opened));
        throw new Error("out of memory");
      }
      return;
    }
    if (!Array.isArray(data)) {
      if (data.kind === "close") self.postMessage({ kind: "closed" });
      return;
    }
    writes += 1;
    if (fault === "exit") process.exit(1);
    if (fault === "second-write" && writes === 2) throw new Error("out of memory");
  });
}
