#!/usr/bin/env bun
import { isatty } from "node:tty";

import { version } from "../package.json" with { type: "json" };
import { runCli } from "./cli/cli.ts";
import type { Output } from "./cli/context.ts";
import { escapeControls } from "./cli/control-characters.ts";
import { systemClock } from "./core/system-clock.ts";

/** Whether the process continues after the reader of its output has closed the pipe. */
let outlivesReader = false;

function output(stream: NodeJS.WriteStream, descriptor: number): Output {
  const isTerminal = isatty(descriptor);
  const write = (text: string) =>
    new Promise<void>((resolve) => {
      if (stream.write(text)) resolve();
      else stream.once("drain", resolve);
    });
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (outlivesReader) return;
    // The reader has enough, like `| head`: this is not a failure.
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });
  return {
    isTerminal,
    stream,
    write: (text) => write(escapeControls(text)),
    writeExact: (text) => write(isTerminal ? escapeControls(text) : text),
  };
}

const stdout = output(process.stdout, 1);
const stderr = output(process.stderr, 2);

const exitCode = await runCli(process.argv.slice(2), {
  environment: process.env,
  cwd: process.cwd(),
  version,
  stdin: () => Bun.stdin.stream(),
  isInteractive: isatty(0) && stderr.isTerminal,
  stdout,
  stderr,
  clock: systemClock,
  fetch,
  random: Math.random,
  outliveReader() {
    outlivesReader = true;
  },
  onStopSignal(stop) {
    for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => stop(signal));
  },
  onReloadSignal(reload) {
    process.on("SIGHUP", reload);
  },
  exit: (code) => process.exit(code),
});

// Wait until all output is written, which takes time on a pipe.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => stream.write("", () => resolve())),
  ),
);
process.exit(exitCode);
