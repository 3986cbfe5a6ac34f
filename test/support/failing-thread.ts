import type { ThreadCommand } from "../../src/server/database-thread.ts";

/* Stands in for the thread that writes: opens, writes nothing, and fails at the second write. */

declare const self: Worker;

let writes = 0;

self.addEventListener("message", ({ data }: MessageEvent<unknown[] | ThreadCommand>) => {
  if (!Array.isArray(data)) {
    self.postMessage({ kind: data.kind === "open" ? "opened" : "closed" });
    return;
  }
  writes += 1;
  if (writes === 2) throw new Error("out of memory");
});
