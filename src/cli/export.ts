import { resolve } from "node:path";

import type { Command } from "commander";

import { type Cursor, cursorText } from "../core/cursor.ts";
import { feedOption, type FeedVersionArgument, pathOf } from "./log-source.ts";
import type { CliContext } from "./context.ts";
import { openExportFile, START } from "./export-file.ts";
import { exportLine } from "./export-lines.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption, repeatable, serverCommand, type ServerFlags } from "./options.ts";
import { readPages } from "./pages.ts";
import { type ProgressBar, showProgress, summary } from "./progress.ts";
import { PATIENT, type Server, withServer } from "./server.ts";

interface ExportFlags extends ServerFlags {
  readonly resume?: boolean;
  readonly stream?: string;
  readonly prefix?: string;
  readonly type?: readonly string[];
  readonly json?: boolean;
  readonly feed?: FeedVersionArgument;
}

interface Sink {
  readonly cursor: Cursor;
  write(lines: string): Promise<void>;
  close(): Promise<void>;
}

async function openSink(context: CliContext, target: string | undefined, flags: ExportFlags): Promise<Sink> {
  if (target !== undefined && target !== "-") {
    return openExportFile(resolve(context.cwd, target), target, flags.resume === true);
  }
  if (flags.resume === true) throw new CliError(EXIT.usage, "--resume needs the file to continue");
  return {
    cursor: START,
    write: (lines) => context.stdout.writeExact(lines),
    close: () => Promise.resolve(),
  };
}

function exportQuery(flags: ExportFlags, { position, identity }: Cursor): URLSearchParams {
  const lastEventId = identity === null ? String(position) : cursorText(position, identity);
  const query = new URLSearchParams({ lastEventId });
  if (flags.prefix !== undefined) query.set("subjectPrefix", flags.prefix);
  for (const type of flags.type ?? []) query.append("type", type);
  return query;
}

interface Totals {
  events: number;
  position: number;
}

async function exportPages(
  context: CliContext,
  server: Server,
  sink: Sink,
  flags: ExportFlags,
): Promise<Totals> {
  const path = pathOf(flags.stream, flags.feed);
  const totals: Totals = { events: 0, position: sink.cursor.position };
  let progress: ProgressBar | null = null;
  try {
    for await (const { lines, last, head } of readPages(server, path, exportQuery(flags, sink.cursor))) {
      progress ??= showProgress(context, "exporting", head);
      await sink.write(`${lines.map((line) => exportLine(line, path)).join("\n")}\n`);
      totals.events += lines.length;
      totals.position = last;
      progress.update(last, totals.events);
    }
  } finally {
    progress?.stop();
  }
  return totals;
}

async function exportEvents(
  context: CliContext,
  target: string | undefined,
  flags: ExportFlags,
): Promise<void> {
  const started = context.clock.monotonic();
  const { events, position } = await withServer(
    context,
    flags,
    async (server) => {
      const sink = await openSink(context, target, flags);
      try {
        return await exportPages(context, server, sink, flags);
      } finally {
        await sink.close();
      }
    },
    { retry: PATIENT },
  );
  const milliseconds = context.clock.monotonic() - started;
  const text =
    flags.json === true
      ? JSON.stringify({ events, position, seconds: milliseconds / 1_000 })
      : `exported ${summary(events, milliseconds)}`;
  // The output with the events must hold nothing else.
  const report = target === undefined || target === "-" ? context.stderr : context.stdout;
  await report.write(`${text}\n`);
}

/** `kilde export` */
export function exportCommand(context: CliContext): Command {
  return serverCommand("export")
    .description(
      [
        "Writes events in the order of the log, as lines that `kilde import` accepts:",
        '  {"stream", "type", "time", "data"?, "metadata"?, "attributes"?, "position", "version", "logidentity", "recordedtime"}',
        "To continue a stopped export, run the same command with --resume.",
      ].join("\n"),
    )
    .argument("[file]", "the file to write, compressed if it ends in .gz (default, and -: standard output)")
    .option("--resume", "continue the file after the last event in it")
    .option("--stream <name>", "only one stream (of a feed: one subject)")
    .addOption(feedOption())
    .option("--prefix <prefix>", "only streams with this prefix")
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .addOption(jsonOption("print the summary as JSON"))
    .addHelpText("after", examples("kilde export events.ndjson.gz", "kilde export --prefix user- | wc -l"))
    .action((target: string | undefined, flags: ExportFlags) => exportEvents(context, target, flags));
}
