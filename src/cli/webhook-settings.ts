import { type Command, InvalidArgumentError, Option } from "commander";

import type { NewSubscription, SubscriptionChange } from "../client/subscription-types.ts";
import { repeatable, parseWholeNumber } from "./options.ts";

const UNLIMITED = "unlimited";

/** Options of `create` and `change` for the settings of a subscription. */
export interface SettingFlags {
  readonly type?: readonly string[];
  readonly prefix?: string;
  readonly mode?: "single" | "batch" | "doorbell";
  readonly batchEvents?: number;
  readonly batchBytes?: number;
  readonly concurrency?: number;
  readonly attempts?: number | typeof UNLIMITED;
  readonly keepAttempts?: number;
  readonly header?: Readonly<Record<string, string>>;
  readonly handshake?: string;
  readonly description?: string;
}

/** Parses `Name: value`, collected by name. */
function header(
  text: string,
  earlier: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> {
  const colon = text.indexOf(":");
  if (colon < 1) throw new InvalidArgumentError('It must be a header: "Name: value".');
  return { ...earlier, [text.slice(0, colon).trim()]: text.slice(colon + 1).trim() };
}

function attemptsOf(text: string): number | typeof UNLIMITED {
  return text === UNLIMITED ? UNLIMITED : parseWholeNumber(text);
}

/** Parses the start of a new subscription: a position, a time, or one of the two words. */
export function startAt(text: string): NewSubscription["start"] {
  if (text === "beginning" || text === "now") return text;
  if (/^\d{1,15}$/.test(text)) return { position: Number(text) };
  if (/^\d{4}-\d\d-\d\dT/.test(text)) return { time: text };
  throw new InvalidArgumentError(
    'It must be "beginning", "now", a position, or a time such as 2026-01-31T12:00:00Z.',
  );
}

/** Adds the options for the settings of a subscription. */
export function withSettingOptions(command: Command): Command {
  return command
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .option("--prefix <prefix>", "only subjects with this prefix")
    .addOption(
      new Option(
        "--mode <mode>",
        "one event per request, several, or only a notification of new events (default: single)",
      ).choices(["single", "batch", "doorbell"]),
    )
    .option("--batch-events <number>", "most events in a batch (default: 100)", parseWholeNumber)
    .option("--batch-bytes <bytes>", "most bytes of events in a batch (default: 1 MiB)", parseWholeNumber)
    .option("--concurrency <number>", "most concurrent requests (default: 64)", parseWholeNumber)
    .option(
      "--attempts <number>",
      'failed attempts after which an event waits to be retried or skipped, or "unlimited" (default)',
      attemptsOf,
    )
    .option(
      "--keep-attempts <number>",
      "attempts of each outcome to keep with request and answer, at most 1000 (default: 0)",
      parseWholeNumber,
    )
    .addOption(
      new Option("--header <header>", '"Name: value", sent with each request; may be repeated').argParser(
        header,
      ),
    )
    .option("--handshake <origin>", 'ask the endpoint for consent first, as this DNS name; "none": do not')
    .option("--description <text>", "for people");
}

/** The settings of a subscription that the options state. */
export function settingsOf(flags: SettingFlags): Omit<SubscriptionChange, "url"> {
  const { type, prefix, mode, batchEvents, batchBytes, concurrency, attempts, header: headers } = flags;
  const { keepAttempts, handshake, description } = flags;
  const batch = {
    ...(batchEvents === undefined ? {} : { events: batchEvents }),
    ...(batchBytes === undefined ? {} : { bytes: batchBytes }),
  };
  return {
    ...(type === undefined ? {} : { types: type }),
    ...(prefix === undefined ? {} : { subjectPrefix: prefix }),
    ...(mode === undefined ? {} : { mode }),
    ...(Object.keys(batch).length === 0 ? {} : { batch }),
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(attempts === undefined ? {} : { attempts: attempts === UNLIMITED ? null : attempts }),
    ...(keepAttempts === undefined ? {} : { keepAttempts }),
    ...(headers === undefined ? {} : { headers }),
    ...(handshake === undefined ? {} : { handshake: handshake === "none" ? null : { origin: handshake } }),
    ...(description === undefined ? {} : { description }),
  };
}
