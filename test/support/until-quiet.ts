import { spawn } from "bun";

/*
 * Runs a command until it ends, or until it has printed something and then been quiet for a while: for commands that
 * follow without an end. Gives the exit code of a command that ended, and 0 when it was stopped.
 */

const QUIET_MS = 1_200;

const child = spawn(process.argv.slice(2), { stdout: "pipe", stderr: "inherit", stdin: "inherit" });
let isStopped = false;
const stop = () => {
  isStopped = true;
  child.kill("SIGTERM");
};

let timer: Timer | undefined;
for await (const part of child.stdout) {
  process.stdout.write(part);
  clearTimeout(timer);
  timer = setTimeout(stop, QUIET_MS);
}
clearTimeout(timer);
const exitCode = await child.exited;
process.exitCode = isStopped ? 0 : exitCode;
