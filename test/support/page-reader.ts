import { expect } from "bun:test";
import { join } from "node:path";

import { type Finished, FROM_SOURCE, run, type Served, serve } from "../cli/support.ts";
import { eventually } from "./eventually.ts";
import type { CodeBlock } from "./markdown.ts";

const UNTIL_QUIET = `${process.execPath} ${join(import.meta.dir, "until-quiet.ts")}`;

/** Commands as a reader calls them; those that follow without an end are stopped once they are quiet. */
const PRELUDE = `set -euo pipefail
kilde() {
  case $1 in
    listen|follow|serve) ${UNTIL_QUIET} ${FROM_SOURCE.join(" ")} "$@" ;;
    *) ${FROM_SOURCE.join(" ")} "$@" ;;
  esac
}
bun() { ${UNTIL_QUIET} ${process.execPath} "$@"; }
curl() {
  case "$*" in
    *event-stream*) ${UNTIL_QUIET} curl -sS --fail-with-body "$@" ;;
    *) command curl -sS --fail-with-body --max-time 30 "$@" ;;
  esac
}
`;

const URL_SHOWN = "http://127.0.0.1:4000";
const RECEIVER_SHOWN = "http://localhost:3000/hook";
const VARYING = new Set(["time", "recordedtime", "logidentity"]);

/** Events with a placeholder for members that differ from run to run. */
function comparable(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => (VARYING.has(key) ? typeof value : value));
}

/** The JSON array that a block printed last. */
function lastJson(printed: string): string {
  return printed.slice(Math.max(0, printed.lastIndexOf("[{")));
}

/** Texts that differ from run to run, or by the widths of columns, each with a placeholder. */
const PLACEHOLDERS: readonly (readonly [pattern: RegExp, placeholder: string])[] = [
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>"],
  [/\b\d+(?:\.\d+)? s\b/g, "<duration>"],
  [/sub_[0-9a-f]{32}/g, "<subscription>"],
  [/whsec_[\w+/=]+/g, "<secret>"],
  [/http:\/\/localhost:\d+\/hook/g, "<receiver>"],
  [/ {2,}/g, "  "],
];

function withoutVarying(text: string): string {
  return PLACEHOLDERS.reduce((rest, [pattern, placeholder]) => rest.replaceAll(pattern, placeholder), text);
}

/** Matches a text that ends with what a page shows as printed, in which `…` is any text. */
function endOf(shown: string): RegExp {
  const parts = shown.split("…").map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return new RegExp(`${parts.join("[^]*")}$`);
}

/** Name of the file that a block is shown as: its first line is `// name` or `# name`. */
function fileName(code: string): string | undefined {
  return /^(?:\/\/|#) (\S+\.(?:ts|py))\n/.exec(code)?.[1];
}

/** Waits until the feeds of a server are built, which takes less time than a reader needs to type the next command. */
async function feedsLive(url: string): Promise<void> {
  const isBuilding = async () => {
    const answer = await fetch(`${url}/feeds`);
    return answer.ok && (await answer.text()).includes('"building"');
  };
  await eventually(async () => !(await isBuilding()));
}

interface Surroundings {
  readonly cwd: string;
  /** Where deliveries to the receiver of the pages are sent. */
  readonly receiver?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * Runs the blocks of pages, as a reader would: from the first block to the last, in one folder, with one server, which
 * `kilde serve` restarts. Files are written, commands have to succeed, and print the output that pages show.
 */
export class PageReader {
  readonly #cwd: string;
  readonly #receiver: string;
  readonly #files = new Map<string, string>();
  #environment: Readonly<Record<string, string>>;
  #server: Served | null = null;
  #printed = "";

  constructor({ cwd, receiver = "", environment = {} }: Surroundings) {
    this.#cwd = cwd;
    this.#receiver = receiver;
    this.#environment = environment;
  }

  /** Output of the last command. */
  get printed(): string {
    return this.#printed;
  }

  async #served(): Promise<Served> {
    if (this.#server !== null) return this.#server;
    const server = await serve(this.#cwd, [], { environment: this.#environment });
    this.#server = server;
    await feedsLive(server.url);
    return server;
  }

  async #restart(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
    await this.#served();
  }

  async #writeFiles(url: string): Promise<void> {
    for (const [name, code] of this.#files)
      await Bun.write(join(this.#cwd, name), code.replaceAll(URL_SHOWN, url));
  }

  /** Runs a shell block. */
  async #bash(code: string): Promise<Finished> {
    const { url } = await this.#served();
    await this.#writeFiles(url);
    const shown = code.replaceAll(URL_SHOWN, url).replaceAll(RECEIVER_SHOWN, this.#receiver);
    const toEnd = code.trimEnd().endsWith("&") ? "\nwait" : "";
    const environment: Readonly<Record<string, string>> = { KILDE_URL: url, ...this.#environment };
    const finished = await run(["-c", PRELUDE + shown + toEnd], {
      cwd: this.#cwd,
      environment,
      program: ["bash"],
    });
    const subscription = /sub_[0-9a-f]{32}/.exec(finished.stdout)?.[0];
    if (subscription !== undefined && environment["SUBSCRIPTION"] === undefined)
      this.#environment = { ...this.#environment, SUBSCRIPTION: subscription };
    return finished;
  }

  /** Exports to later blocks the variables of Kilde that a text exports. */
  async #export(code: string): Promise<void> {
    const { stdout } = await run(["-c", `${code}\nenv`], { cwd: this.#cwd, program: ["bash"] });
    const exported = [...stdout.matchAll(/^(KILDE_\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [
      name,
      value,
    ]);
    this.#environment = { ...this.#environment, ...(Object.fromEntries(exported) as Record<string, string>) };
  }

  async #runShell({ code, place, marks }: CodeBlock): Promise<void> {
    const lines = code.trimEnd().split("\n");
    if (lines.at(-1) === "kilde serve") {
      await this.#export(lines.slice(0, -1).join("\n"));
      await this.#writeFiles(URL_SHOWN);
      await this.#restart();
      return;
    }
    const { exitCode, stdout, stderr } = await this.#bash(code);
    this.#printed = stdout + (marks.includes("fails") ? stderr : "");
    if ((exitCode !== 0) !== marks.includes("fails"))
      throw new Error(`${place}: exit code ${exitCode}\n${stdout}\n${stderr}`);
    const exports = lines.filter((line) => line.startsWith("export KILDE_"));
    if (exports.length > 0) await this.#export(exports.join("\n"));
  }

  /** Does what one block shows. */
  async read(block: CodeBlock): Promise<void> {
    const { language, code, place } = block;
    const name = fileName(code);
    if (language === "sh") await this.#runShell(block);
    else if (name !== undefined) this.#files.set(name, `${code}\n`);
    else if (language === "json")
      expect([place, comparable(lastJson(this.#printed))]).toEqual([place, comparable(code)]);
    else if (language === "output") {
      const printed = withoutVarying(this.#printed.trimEnd());
      if (!endOf(withoutVarying(code)).test(printed)) expect([place, printed]).toEqual([place, code]);
    }
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = null;
  }
}
