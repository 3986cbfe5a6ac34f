import type { Command } from "commander";

import { logPath } from "../client/read.ts";
import { readObject } from "../client/parse-answer.ts";
import { send } from "../client/request.ts";
import { KildeError } from "../core/errors.ts";
import { ALLOW_ALL, createAddressRules } from "../webhooks/egress/address-rules.ts";
import { createEgress } from "../webhooks/egress/egress.ts";
import { checkEndpoint } from "../webhooks/egress/endpoint.ts";
import { generateSecret, parseSecret, publicKeyOf, type Secret } from "../webhooks/signing/secret.ts";
import { createSigner } from "../webhooks/signing/sign.ts";
import { deliveredEvent } from "../webhooks/signing/wire.ts";
import type { CliContext } from "./context.ts";
import { createCursor } from "./cursor.ts";
import { CliError, EXIT } from "./exit.ts";
import { followTexts } from "./follow-texts.ts";
import { forward, type Forwarded } from "./forward.ts";
import { type Log, logAt } from "./log-source.ts";
import { outageNotes } from "./outage-notes.ts";
import { examples, repeatable, serverCommand, parseWholeNumber, type ServerFlags } from "./options.ts";
import { createPrevious, type VersionSelection } from "./previous-version.ts";
import { PATIENT, type Server, withServer } from "./server.ts";

interface ListenFlags extends ServerFlags {
  readonly source?: Log;
  readonly forward: string;
  readonly type?: readonly string[];
  readonly prefix?: string;
  readonly secret?: string;
  readonly name: string;
  readonly from?: number;
}

/** The flags, with the resolved log and secret. */
type Listening = Omit<ListenFlags, "secret" | "source"> & Log & Signing;

interface Signing {
  readonly secret: Secret;
  /** The key for receivers. */
  readonly receivers: string;
}

function signingWith(stated: string | undefined): Signing {
  const text = stated ?? generateSecret("symmetric");
  try {
    const secret = parseSecret(text);
    return { secret, receivers: publicKeyOf(secret) ?? text };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CliError(EXIT.usage, `secret: ${message}`, "Omit --secret to generate one.");
  }
}

function checkForward(url: string): void {
  const fault = checkEndpoint(url, createAddressRules([ALLOW_ALL]));
  if (fault !== null) throw new CliError(EXIT.usage, `forward: ${JSON.stringify(url)} ${fault}`);
}

/** Position that the consumer has committed; null when it does not exist, or has committed none. */
async function committedBy({ deps }: Server, path: string, name: string): Promise<number | null> {
  try {
    const one = `${path}/consumers/${encodeURIComponent(name)}`;
    return (await send(deps, one, {}, readObject<{ committed: number | null }>)).committed;
  } catch (error) {
    if (error instanceof KildeError && error.code === "consumer-not-found") return null;
    throw error;
  }
}

/**
 * The position to start after: the given one, the committed one, or the end of the log. It is committed, so that the
 * next run starts there.
 */
async function startingPosition(
  server: Server,
  { feed, name, from }: Pick<Listening, "feed" | "name" | "from">,
  path: string,
): Promise<number> {
  const committed = await committedBy(server, path, name);
  if (from === undefined && committed !== null) return committed;
  const position = from ?? (await server.client.head(feed));
  await server.client.commit(position, {
    consumer: name,
    rewind: true,
    ...(feed === undefined ? {} : { feed }),
  });
  return position;
}

interface LoggedEvent {
  readonly logidentity: string;
  readonly subject: string;
  readonly sequence: string;
  readonly type: string;
}

async function forwardAll(
  context: CliContext,
  server: Server,
  flags: Listening & { readonly signal: AbortSignal },
): Promise<void> {
  const { feed, name, prefix, secret, receivers, signal } = flags;
  const path = logPath(feed);
  const after = await startingPosition(server, flags, path);
  await context.stdout.write(
    `Forwarding ${path} to ${flags.forward}, from after position ${after}, as consumer ${JSON.stringify(name)}.\n` +
      `Its webhooks are signed; verify them with ${receivers}\nStop with Ctrl-C; the next run continues from there.\n\n`,
  );
  const egress = createEgress({ allow: [ALLOW_ALL], clock: context.clock, fetch: context.fetch });
  const forwardDeps = {
    context,
    send: egress.send,
    sign: createSigner([secret]),
    url: flags.forward,
    signal,
  };
  const cursor = createCursor(server.client, {
    consumer: name,
    ...(feed === undefined ? {} : { feed }),
  });
  const selection: VersionSelection = { feed, types: flags.type };
  const previousVersion = createPrevious(server.client, selection);
  const idPrefix = `${path.slice(1)}_${name}`.replaceAll(/[^A-Za-z0-9_-]+/g, "-");

  try {
    const followed = { path, types: flags.type, prefix, after: String(after), signal };
    for await (const { position, text } of followTexts(server.deps, followed)) {
      const { subject, sequence, type, logidentity } = JSON.parse(text) as LoggedEvent;
      const version = Number(sequence);
      const event: Forwarded = {
        id: `${idPrefix}_${position}_${logidentity}`,
        body: deliveredEvent(text, await previousVersion({ position, subject, version })),
        title: `${position}  ${subject}@${version}  ${type}`,
      };
      if (!(await forward(forwardDeps, event))) break;
      await cursor.moveTo(position);
    }
  } finally {
    egress.close();
    await cursor.settle();
  }
}

async function listen(context: CliContext, flags: ListenFlags): Promise<void> {
  checkForward(flags.forward);
  const signing = signingWith(flags.secret);
  const stop = new AbortController();
  context.onStopSignal(() => {
    // The second signal does not wait until the server has stored the cursor.
    if (stop.signal.aborted) context.exit(EXIT.failure);
    stop.abort();
  });
  const { source = { feed: undefined }, ...others } = flags;
  const listening = { ...others, ...source, ...signing, signal: stop.signal };
  await withServer(context, flags, (server) => forwardAll(context, server, listening), {
    retry: PATIENT,
    consumer: flags.name,
    onRetry: outageNotes(context),
  });
}

/** `kilde listen` */
export function listenCommand(context: CliContext): Command {
  return serverCommand("listen")
    .description(
      "Forwards events to a webhook receiver under development, like a subscription: signed, in order, and repeated until it answers 2xx. The server keeps the cursor under a name, so the next run continues where this one stopped.",
    )
    .requiredOption("--forward <url>", "the receiver, such as http://localhost:3000/hook")
    .option(
      "--source <path>",
      "the log: /events, or a feed such as /feeds/declarations/v2 (default: /events)",
      logAt,
    )
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .option("--prefix <prefix>", "only subjects with this prefix")
    .option("--secret <secret>", "sign with this whsec_… or whsk_… secret (default: a new one)")
    .option("--name <name>", "name of the consumer that holds the cursor", "listen")
    .option(
      "--from <position>",
      "start after the event with this position; 0 for all (default: the cursor, or else new events only)",
      parseWholeNumber,
    )
    .addHelpText(
      "after",
      examples(
        "kilde listen --forward http://localhost:3000/hook",
        "kilde listen --source /feeds/declarations/v2 --forward http://localhost:3000/hook --from 0",
      ),
    )
    .action((flags: ListenFlags) => listen(context, flags));
}
