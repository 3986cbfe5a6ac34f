import { spawn } from "node:child_process";
import { constants } from "node:os";

import type { Program } from "./find-server.ts";

/** Signals that stop a server, make it reload its certificate, or are free for programs. */
const FORWARDED: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2"];

/** Signals that a terminal sends to all processes of its foreground; a second copy would stop the server at once. */
const SENT_BY_TERMINAL: ReadonlySet<NodeJS.Signals> = new Set(["SIGINT", "SIGQUIT"]);

/** Runs a program in place of this process: with its input and output, its signals, and its exit code. */
export function runProgram({ file, args }: Program, more: readonly string[]): void {
  const child = spawn(file, [...args, ...more], { stdio: "inherit" });
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const forward = (signal: NodeJS.Signals) => {
    if (onTerminal && SENT_BY_TERMINAL.has(signal)) return;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  child.on("error", (error) => {
    console.error(`kilde: ${file} does not start: ${error.message}`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => {
    for (const each of FORWARDED) process.off(each, forward);
    if (signal === null) process.exit(code ?? 1);
    // Node ignores some signals, such as SIGPIPE, and would end with 0.
    process.exitCode = 128 + constants.signals[signal];
    // The caller learns from which signal the program ended.
    process.kill(process.pid, signal);
  });
}
