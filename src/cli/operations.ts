import { type Command, Option } from "commander";

import type { Clock } from "../core/clock.ts";
import { logPath } from "../client/read.ts";
import type { CliContext } from "./context.ts";
import { duration } from "./duration.ts";
import { followTexts } from "./follow-texts.ts";
import { examples, jsonOption, repeatable, serverCommand, type ServerFlags } from "./options.ts";
import { outageNotes } from "./outage-notes.ts";
import { readPages } from "./pages.ts";
import { type Server, withServer } from "./server.ts";
import { type Column, tableHeading, tableRow } from "./table.ts";

interface OperationsFlags extends ServerFlags {
  readonly since: number;
  readonly type?: readonly string[];
  readonly follow?: boolean;
  readonly json?: boolean;
}

const PATH = logPath("/operations");

/** An entry as the server sent it, as far as the table shows it. */
interface ShownEntry {
  readonly id: string;
  readonly logidentity: string;
  readonly time: string;
  readonly type: string;
  readonly subject: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

const parsed = (line: string) => JSON.parse(line) as ShownEntry;

const cursorOf = ({ id, logidentity }: ShownEntry) => `${id}-${logidentity}`;

const COLUMNS: readonly Column[] = [
  { heading: "TIME", width: 24 },
  { heading: "CHANGE", width: 22 },
  { heading: "BY", width: 10 },
  { heading: "RESOURCE", width: 32 },
  { heading: "DETAILS", width: 0 },
];

function cells({ time, type, subject, data = {} }: ShownEntry): readonly string[] {
  const { principal = null, ...details } = data;
  const shown = Object.entries(details)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const by = typeof principal === "string" ? principal : "-";
  return [time, type.replace(/^kilde\./, ""), by, subject, shown.join(" ")];
}

/** Cursor of the last entry that is older than a time; null: there is none. Reads backwards up to it. */
async function lastBefore(server: Server, time: string): Promise<string | null> {
  for await (const { lines } of readPages(server, PATH, new URLSearchParams({ direction: "backwards" }))) {
    const older = lines.map(parsed).find((entry) => entry.time < time);
    if (older !== undefined) return cursorOf(older);
  }
  return null;
}

function createPrinter({ stdout }: CliContext, asJson: boolean) {
  let hasHeading = asJson;
  const heading = () => {
    const text = hasHeading ? "" : tableHeading(COLUMNS);
    hasHeading = true;
    return text;
  };
  return {
    print: (line: string) =>
      stdout.write(asJson ? `${line}\n` : heading() + tableRow(COLUMNS, cells(parsed(line)))),
    end: () => stdout.write(heading()),
  };
}

async function operations(context: CliContext, flags: OperationsFlags): Promise<void> {
  const { since, type: types = [], follow = false, json = false } = flags;
  const clock: Pick<Clock, "now"> = context.clock;
  const time = new Date(clock.now() - since).toISOString();
  const { print, end } = createPrinter(context, json);
  const show = async (server: Server) => {
    const start = await lastBefore(server, time);
    let after = start ?? "0";
    const query = new URLSearchParams(start === null ? {} : { lastEventId: start });
    for (const type of types) query.append("type", type);
    for await (const { lines } of readPages(server, PATH, query)) {
      for (const line of lines) {
        after = cursorOf(parsed(line));
        await print(line);
      }
    }
    await end();
    if (!follow) return;
    for await (const { text } of followTexts(server.deps, { path: PATH, types, after })) await print(text);
  };
  await withServer(context, flags, show, follow ? { onRetry: outageNotes(context) } : {});
}

/** `kilde operations` */
export function operationsCommand(context: CliContext): Command {
  return serverCommand("operations")
    .description(
      "Prints the log of administration: removals, alarms, and changes of feeds, subscriptions and consumers, with the principal who made them.",
    )
    .addOption(
      new Option("--since <duration>", "how far back: 90s, 15m, 12h, 7d")
        .argParser(duration)
        .default(86_400_000, "1d"),
    )
    .addOption(repeatable("--type <type>", "only entries of this type; may be repeated"))
    .option("--follow", "print further entries as they are added. Stop with Ctrl-C")
    .addOption(jsonOption("print CloudEvents, one per line"))
    .addHelpText(
      "after",
      examples(
        "kilde operations --since 1d",
        "kilde operations --since 7d --type kilde.stream.erased --json",
        "kilde operations --follow",
      ),
    )
    .action((flags: OperationsFlags) => operations(context, flags));
}
