import { readFileSync } from "node:fs";
import { join } from "node:path";

import { type Served, serve } from "../../cli/support.ts";
import { TEST_SECRET_KEY } from "../app.ts";

/** A feed that keeps its subjects, and one that is re-keyed with a state. */
export const CONFIG = `
import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const events = { Noted: z.unknown() };
const contract = { Noted: z.object({ kind: z.string() }) };
const publish = { Noted: ({ data }) => ({ type: "Noted", data: { kind: typeof data } }) };
export default defineConfig({
  feeds: [
    defineFeed({ name: "notes", version: 1, events, contract, publish }),
    defineFeed({ name: "by-author", version: 1, events, contract, publish,
      subject: ({ subject }) => "author-" + (subject.length % 3),
      state: { initial: { count: 0 }, evolve: { Noted: ({ count }) => ({ count: count + 1 }) } } }),
  ],
});
`;

const ENVIRONMENT = {
  KILDE_ACCESS_LOG: "false",
  KILDE_SECRET_KEYS: TEST_SECRET_KEY,
  KILDE_EGRESS_ALLOW: "127.0.0.1",
};

/** Starts the binary in a folder, with feeds and webhooks. */
export async function serveFuzzed(cwd: string, program: string[]): Promise<Served> {
  await Bun.write(join(cwd, "kilde.config.ts"), CONFIG);
  return serve(cwd, [], { program, environment: ENVIRONMENT });
}

/** The most memory that a process has had, in MiB; null where the system does not report it. */
export function peakMemoryMiB(pid: number): number | null {
  try {
    const kib = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kib === undefined ? null : Number(kib) / 1024;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
