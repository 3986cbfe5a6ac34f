import { readObject } from "../client/parse-answer.ts";
import type { Command } from "commander";

import { KildeError } from "../core/errors.ts";
import type { CliContext } from "./context.ts";
import { CliError, problemError } from "./exit.ts";
import { type Batch, importBatches } from "./import-batches.ts";
import { linesOf } from "./lines.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { type ProgressBar, showProgress, summary } from "./progress.ts";
import { PATIENT, type Server, withServer } from "./server.ts";
import { openSource, type LogSource } from "./source.ts";

interface ImportFlags extends ServerFlags {
  readonly json?: boolean;
}

/** Converts the rejection of a batch into an error with the number of the faulty line. */
function withLine(error: KildeError, batch: Batch): CliError {
  const problem = problemError(error);
  const [first] = error.members.errors ?? [];
  const line = first?.pointer === undefined ? null : batch.lineAt(first.pointer);
  const place = line === null ? `lines ${batch.firstLine} to ${batch.lastLine}` : `line ${line}`;
  const detail = line === null ? problem.message : (first?.detail ?? problem.message);
  const remedy = `${problem.remedy ?? ""} Then run the import again: events that were imported are not imported twice.`;
  return new CliError(problem.exitCode, `${place}: ${detail}`, remedy.trim(), { cause: error });
}

interface Sent {
  readonly position: number;
  readonly replayed: boolean;
}

async function send({ request }: Server, batch: Batch, body: string): Promise<Sent> {
  const headers = { "content-type": "application/json", "idempotency-key": batch.idempotencyKey };
  try {
    return await request("/transactions", { method: "POST", headers, body }, async (response) => ({
      position: (await readObject<{ position: number }>(response)).position,
      replayed: response.headers.get("idempotency-replayed") === "true",
    }));
  } catch (error) {
    throw error instanceof KildeError ? withLine(error, batch) : error;
  }
}

interface Totals {
  events: number;
  replayed: number;
  skipped: number;
  position: number;
}

async function importFile(server: Server, source: LogSource, progress: ProgressBar): Promise<Totals> {
  const totals: Totals = { events: 0, replayed: 0, skipped: 0, position: 0 };
  const take = async (batch: Batch, done: number): Promise<void> => {
    totals.skipped += batch.skipped;
    if (batch.body === null) return;
    const { position, replayed } = await send(server, batch, batch.body);
    totals.events += batch.events;
    totals.position = position;
    if (replayed) totals.replayed += batch.events;
    progress.update(done, totals.events);
  };

  // The next batch is read while the last one is being sent. Only one is sent at a time, which keeps the order.
  let sending: Promise<void> = Promise.resolve();
  try {
    for await (const batch of importBatches(linesOf(source.bytes))) {
      await sending;
      sending = take(batch, source.done());
      // The next iteration awaits it; until then its failure must not count as unhandled.
      sending.catch(() => {});
    }
  } finally {
    // Also after an invalid line: the lines before it are imported, or report their own failure.
    await sending;
  }
  return totals;
}

async function importEvents(context: CliContext, path: string, flags: ImportFlags): Promise<void> {
  const started = context.clock.monotonic();
  const totals = await withServer(
    context,
    flags,
    async (server) => {
      const source = openSource(context, path);
      const progress = showProgress(context, "importing", source.size);
      try {
        return await importFile(server, source, progress);
      } finally {
        progress.stop();
      }
    },
    { retry: PATIENT },
  );
  await report(context, flags, totals, context.clock.monotonic() - started);
}

async function report(context: CliContext, flags: ImportFlags, totals: Totals, ms: number): Promise<void> {
  if (flags.json === true) {
    await context.stdout.write(`${JSON.stringify({ ...totals, seconds: ms / 1_000 })}\n`);
    return;
  }
  const notes = [
    ...(totals.replayed > 0 ? [`${totals.replayed.toLocaleString("en")} of them were there already`] : []),
    ...(totals.skipped > 0 ? [`${totals.skipped.toLocaleString("en")} tombstones left out`] : []),
  ];
  const text = [`imported ${summary(totals.events, ms)}`, ...notes].join("; ");
  await context.stdout.write(`${text}\n`);
}

/** `kilde import` */
export function importCommand(context: CliContext): Command {
  return serverCommand("import")
    .description(
      [
        "Appends the events of a file in its order. Each line is a JSON object:",
        '  {"stream", "type", "data"?, "time"?, "metadata"?, "attributes"?, "id"?}',
        "An id of the source is kept as metadata.id; position, version, recordedtime and projectedfrom are ignored, and so are tombstones of erased streams.",
        "",
        "A stopped import can be run again: no batch is appended twice until the server's idempotency keys expire (after 7 days by default). Import a file only when it is complete: a file that grew is another source.",
      ].join("\n"),
    )
    .argument("<file>", "NDJSON, plain or gzip; - for standard input")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        "kilde import events.ndjson.gz",
        "generate-events | kilde import - --url http://127.0.0.1:4001",
      ),
    )
    .action((path: string, flags: ImportFlags) => importEvents(context, path, flags));
}
