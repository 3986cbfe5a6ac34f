#!/usr/bin/env node
import { version } from "../../package.json" with { type: "json" };
import { fetchServer } from "./fetch-server.ts";
import { findServer } from "./find-server.ts";
import { platformPackage, SERVER_PACKAGE } from "./platforms.ts";
import { runProgram } from "./run-program.ts";
import { thisPlatform } from "./this-platform.ts";

/** The commands that install a server where this process found none. */
function remedy(): string {
  const platform = thisPlatform();
  if (platform === undefined) {
    return `Install Bun (https://bun.sh) and \`npm install ${SERVER_PACKAGE}@${version}\``;
  }
  return `\`npm install ${platformPackage(platform.id)}@${version}\` beside kilde (with -g if kilde is installed with -g)`;
}

const args = process.argv.slice(2);
const installed = findServer(process.env["PATH"] ?? "");
if (installed !== null) {
  runProgram(installed, args);
} else {
  const fetched = await fetchServer(version, process.env, (text) => console.error(`kilde: ${text}`));
  if ("binary" in fetched) {
    runProgram({ file: fetched.binary, args: [] }, args);
  } else if ("signal" in fetched) {
    process.kill(process.pid, fetched.signal);
  } else {
    console.error(
      `kilde: there is no server for ${process.platform}-${process.arch}: ${fetched.reason}. ${remedy()}.`,
    );
    process.exitCode = 1;
  }
}
