import { readObject } from "../client/parse-answer.ts";
import { type Command, InvalidArgumentError, Option } from "commander";

import { sourcePath } from "../client/read.ts";
import type { Appended } from "../client/types.ts";
import { toHeaderText } from "../core/header-text.ts";
import type { CliContext } from "./context.ts";
import { jsonArgument, objectText } from "./json-argument.ts";
import { examples, jsonOption, serverCommand, parseWholeNumber, type ServerFlags } from "./options.ts";
import { outageNotes } from "./outage-notes.ts";
import { REPEATED, streamName, withServer } from "./server.ts";

interface AppendFlags extends ServerFlags {
  readonly expectedVersion?: string | number;
  readonly metadata?: string;
  readonly time?: string;
  readonly idempotencyKey?: string;
  readonly json?: boolean;
}

function expectedVersion(text: string): string | number {
  if (text === "none") return 0;
  if (text === "any" || text === "exists") return text;
  try {
    return parseWholeNumber(text);
  } catch {
    throw new InvalidArgumentError("It must be a whole number, none, exists or any.");
  }
}

async function append(
  context: CliContext,
  [stream, type, data]: readonly [string, string, string | undefined],
  flags: AppendFlags,
): Promise<void> {
  const text = data === "-" ? await new Response(context.stdin()).text() : data;
  if (text !== undefined) jsonArgument(text, data === "-" ? "standard input" : "data");
  if (flags.metadata !== undefined) jsonArgument(flags.metadata, "--metadata");

  // Assembled from the texts as given, so that numbers keep all of their digits.
  const event = objectText({
    type: JSON.stringify(type),
    data: text ?? null,
    metadata: flags.metadata ?? null,
    time: flags.time === undefined ? null : JSON.stringify(flags.time),
  });
  const expected = flags.expectedVersion;
  const body = objectText({
    events: `[${event}]`,
    expectedVersion: expected === undefined ? null : JSON.stringify(expected),
  });
  const path = sourcePath({ stream: streamName(stream) });
  const { idempotencyKey = crypto.randomUUID() } = flags;
  const headers = { "content-type": "application/json", "idempotency-key": toHeaderText(idempotencyKey) };
  const { answer, replayed } = await withServer(
    context,
    flags,
    ({ request }) =>
      request(
        path,
        { method: "POST", headers, body },
        async (response) => ({
          answer: await readObject<Appended>(response),
          replayed:
            flags.idempotencyKey !== undefined && response.headers.get("idempotency-replayed") === "true",
        }),
        { idempotencyKey },
      ),
    { retry: REPEATED, onRetry: outageNotes(context) },
  );
  const { version, position } = answer;
  await context.stdout.write(
    flags.json === true
      ? `${JSON.stringify(answer)}\n`
      : `${stream} is at version ${version}, position ${position}${replayed ? " (already appended)" : ""}\n`,
  );
}

/** `kilde append` */
export function appendCommand(context: CliContext): Command {
  return serverCommand("append")
    .description("Appends one event to a stream. The first event creates the stream.")
    .argument("<stream>", "the stream's name")
    .argument("<type>", "the event's name, such as UserRegistered")
    .argument("[data]", "JSON; - reads it from standard input; omit it for an event without data")
    .addOption(
      new Option(
        "--expected-version <version>",
        "append only if the stream is at this version: a number, none, exists or any",
      ).argParser(expectedVersion),
    )
    .option(
      "--metadata <json>",
      "object: correlationId, causationId, traceparent, tracestate, and free members",
    )
    .option("--time <time>", "time of the event (RFC 3339; default: the time of recording)")
    .option("--idempotency-key <key>", "makes a repetition safe: the same key appends once")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        `kilde append user-1 UserRegistered '{"name":"Ida"}'`,
        `kilde append user-1 UserRenamed '{"name":"Ida B."}' --expected-version 1`,
        "kilde append user-1 PhotoTaken - < photo.json",
      ),
    )
    .action((stream: string, type: string, data: string | undefined, flags: AppendFlags) =>
      append(context, [stream, type, data], flags),
    );
}
