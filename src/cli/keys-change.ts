import { Command, Option } from "commander";

import type { ApiKey, IssuedApiKey } from "../client/key-types.ts";
import { isConfirmed } from "./confirm.ts";
import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";
import { duration, endTime, statedEnd } from "./duration.ts";
import { CliError, EXIT } from "./exit.ts";
import { grantOption, keysOptions } from "./keys-options.ts";
import { type KeysFlags, withKeys } from "./keys-store.ts";
import { findKeys, isUsable } from "./named-keys.ts";
import { examples, reasonOption } from "./options.ts";

interface CreateFlags extends KeysFlags {
  readonly may: readonly string[];
  readonly consumer?: string;
  readonly expires?: ReturnType<typeof statedEnd>;
}

interface ChangeFlags extends KeysFlags {
  readonly yes?: boolean;
}

interface RotateFlags extends ChangeFlags {
  readonly overlap: number;
  readonly expires?: ReturnType<typeof statedEnd>;
}

/** Prints the token alone on standard output, for `$(…)` and files, and the text for people on standard error. */
async function printIssued(
  context: CliContext,
  flags: KeysFlags,
  key: IssuedApiKey,
  text: string,
): Promise<void> {
  if (flags.json === true) {
    await context.stdout.write(`${JSON.stringify(key)}\n`);
    return;
  }
  await context.stderr.write(`${text}The token is shown only now:\n`);
  await context.stdout.write(`${key.token}\n`);
}

function untilText(expires: string | null): string {
  return expires === null ? "until it is revoked" : `until ${expires}`;
}

async function create(context: CliContext, name: string, flags: CreateFlags): Promise<void> {
  const { may: grants, consumer = null } = flags;
  const expires = endTime(flags.expires?.end ?? null, context.clock.now());
  await withKeys(context, flags, "create", async (keys) => {
    const { value: earlier } = await keys.list().next();
    const key = await keys.create({ name, grants, consumer, expires });
    const reader = consumer === null ? "" : `, consumer ${JSON.stringify(consumer)}`;
    const first =
      earlier === undefined
        ? "It is the first key: from now on, requests without a token are refused.\n"
        : "";
    const made = `Created the key ${JSON.stringify(name)} (${key.key}): ${grants.join(", ")}${reader}; valid ${untilText(key.expires)}.`;
    await printIssued(context, flags, key, `${escapeLine(made)}\n${first}`);
  });
}

function isAdmin({ grants }: ApiKey): boolean {
  return grants.includes("admin");
}

/** Asks a person before the last key ends that may create keys over HTTP. */
async function confirmLastAdmin(
  context: CliContext,
  { yes }: ChangeFlags,
  ending: readonly ApiKey[],
  others: readonly ApiKey[],
): Promise<void> {
  if (yes === true || others.some(isAdmin) || !ending.some((key) => isUsable(key) && isAdmin(key))) return;
  await context.stderr.write(
    "kilde: It is the last key with the grant admin: without one, keys are created only on the database itself.\n",
  );
  if (context.isInteractive && (await isConfirmed(context, "End it anyway?"))) return;
  throw new CliError(
    EXIT.failure,
    "The last key with the grant admin was not changed",
    "Create another one first, or state --yes.",
  );
}

async function rotate(context: CliContext, text: string, flags: RotateFlags): Promise<void> {
  const { overlap, expires } = flags;
  await withKeys(context, flags, "change", async (keys) => {
    const { named, others } = await findKeys(keys, text);
    const old = named.find(({ status }) => status === "active") ?? named[0];
    if (old === undefined) return;
    // With an overlap, the old key gives time to try the new one.
    if (overlap === 0)
      await confirmLastAdmin(context, flags, [old], [...others, ...named.filter((key) => key !== old)]);
    const key = await keys.rotate(old.key, {
      overlapSeconds: overlap / 1_000,
      ...(expires === undefined ? {} : { expires: endTime(expires.end, context.clock.now()) }),
    });
    const { expires: oldEnd } = await keys.get(old.key);
    const oldText = overlap === 0 ? "ended now" : `is valid ${untilText(oldEnd)}`;
    const shown = `${JSON.stringify(key.name)} has the new key ${key.key}, valid ${untilText(key.expires)}. The old key ${old.key} ${oldText}.`;
    await printIssued(context, flags, key, `${escapeLine(shown)}\n`);
  });
}

async function revoke(context: CliContext, text: string, flags: ChangeFlags): Promise<void> {
  await withKeys(context, flags, "change", async (keys) => {
    const { named, others } = await findKeys(keys, text);
    await confirmLastAdmin(context, flags, named, others);
    for (const { key: id } of named) {
      const key = await keys.revoke(id);
      const shown = `The key ${JSON.stringify(key.name)} (${key.key}) is revoked.`;
      await context.stdout.write(flags.json === true ? `${JSON.stringify(key)}\n` : `${escapeLine(shown)}\n`);
    }
  });
}

const yesOption = () => new Option("--yes", "do not ask before the last key with the grant admin ends");

/** `kilde keys create` */
export function keysCreateCommand(context: CliContext): Command {
  return keysOptions(new Command("create"))
    .description(
      "Creates a key, and prints its token once: alone on standard output, or with --json as a member of the key.",
    )
    .argument("<name>", "name of its user, such as a service; unique among the valid keys")
    .addOption(grantOption().makeOptionMandatory())
    .option("--consumer <name>", "the consumer that it reads and commits as")
    .addOption(reasonOption())
    .addOption(
      new Option("--expires <when>", "12h, 90d, a time, or never (default: never)").argParser(statedEnd),
    )
    .addHelpText(
      "after",
      examples(
        "kilde keys create root --may admin",
        "kilde keys create cards --consumer cards --may read:/feeds/declarations --expires 90d",
        "kilde keys create shop --may 'append:/streams/order-*' --may 'read:/streams/order-*'",
      ),
    )
    .action((name: string, flags: CreateFlags) => create(context, name, flags));
}

/** `kilde keys rotate` and `revoke` */
export function keysChangeCommands(context: CliContext): Command[] {
  const rotateCommand = keysOptions(new Command("rotate"))
    .description(
      "Replaces a key by one with the same name, grants and consumer, and prints the new token once. The old key stays valid for the overlap.",
    )
    .argument("<key>", "its name or id")
    .addOption(
      new Option("--overlap <duration>", "how long the old key stays valid, such as 24h; 0s ends it now")
        .argParser(duration)
        .default(24 * 60 * 60 * 1_000, "24h"),
    )
    .addOption(
      new Option(
        "--expires <when>",
        "end of the new key: 12h, 90d, a time, or never (default: it lives as long as the old one was to)",
      ).argParser(statedEnd),
    )
    .addOption(reasonOption())
    .addOption(yesOption())
    .addHelpText("after", examples("kilde keys rotate cards", "kilde keys rotate cards --overlap 7d"))
    .action((key: string, flags: RotateFlags) => rotate(context, key, flags));

  const revokeCommand = keysOptions(new Command("revoke"))
    .description(
      "Ends all valid keys of a name, or the key of an id, at once. The streams that it follows end within 5 seconds.",
    )
    .argument("<key>", "its name or id")
    .addOption(reasonOption())
    .addOption(yesOption())
    .addHelpText("after", examples("kilde keys revoke cards"))
    .action((key: string, flags: ChangeFlags) => revoke(context, key, flags));

  return [rotateCommand, revokeCommand];
}
