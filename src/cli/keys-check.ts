import { Command } from "commander";

import { openAccess } from "../access/access.ts";
import { type Grant, parseGrant } from "../access/grant.ts";
import { createAccessMemory } from "../access/key-memory.ts";
import { covers } from "../access/need.ts";
import { needOfGrant } from "../access/need-of-grant.ts";
import { readObject } from "../client/parse-answer.ts";
import { queryString } from "../client/read.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import { grantOption, keysOptions } from "./keys-options.ts";
import { type KeysFlags, withKeys, withKeysDeps } from "./keys-store.ts";
import { findKeys, isUsable } from "./named-keys.ts";
import { examples } from "./options.ts";
import { withServer } from "./server.ts";
import { serverToken } from "./server-token.ts";

interface CheckFlags extends KeysFlags {
  readonly may: readonly string[];
}

/** Whether a sender may do what a grant allows. */
interface CheckedGrant {
  readonly grant: string;
  readonly granted: boolean;
}

function grantOf(text: string): Grant[] {
  const grant = parseGrant(text);
  return "fault" in grant ? [] : [grant];
}

function checkGrants(may: readonly string[], grants: readonly Grant[]): CheckedGrant[] {
  return may.map((grant) => ({
    grant,
    granted: grantOf(grant).every((each) => covers(grants, needOfGrant(each))),
  }));
}

/** Asks a server what the sender with the stated token may do. */
function checkOwnAt(context: CliContext, flags: CheckFlags): Promise<readonly CheckedGrant[]> {
  const path = `/session${queryString({ may: flags.may })}`;
  return withServer(context, flags, async ({ request }) => {
    const answer = await request(path, {}, readObject<{ readonly may: readonly CheckedGrant[] }>);
    return answer.may;
  });
}

/** Checks the key whose token is stated. */
async function checkOwn(context: CliContext, flags: CheckFlags): Promise<readonly CheckedGrant[]> {
  const source = serverToken(context, flags);
  if (source === null) {
    const remedy = "Name a key, or state a token: --token-file, KILDE_TOKEN_FILE or KILDE_TOKEN.";
    throw new CliError(EXIT.usage, "No key was stated", remedy);
  }
  if (flags.url !== undefined) return checkOwnAt(context, flags);
  const token = typeof source === "string" ? source : await source();
  return withKeysDeps(context, flags, "read", async (deps) => {
    const memory = createAccessMemory();
    const access = openAccess({
      ...deps,
      clock: context.clock,
      memory,
      issuers: null,
      oidc: null,
      inBackground: false,
    });
    const principal = await access.authenticate(token);
    if (principal === null) throw new CliError(EXIT.failure, "The token is not that of a valid key");
    return checkGrants(flags.may, principal.grants);
  });
}

/** Checks the valid keys of a name, or the key of an id. */
async function checkNamed(
  context: CliContext,
  text: string,
  flags: CheckFlags,
): Promise<readonly CheckedGrant[]> {
  const { named } = await withKeys(context, flags, "read", (keys) => findKeys(keys, text));
  const grants = named.filter(isUsable).flatMap((key) => key.grants.flatMap(grantOf));
  return checkGrants(flags.may, grants);
}

async function check(context: CliContext, text: string | undefined, flags: CheckFlags): Promise<void> {
  const answers = await (text === undefined ? checkOwn(context, flags) : checkNamed(context, text, flags));
  for (const answer of answers) {
    const shown = `${answer.granted ? "yes" : "no "}  ${answer.grant}\n`;
    await context.stdout.write(flags.json === true ? `${JSON.stringify(answer)}\n` : shown);
  }
  if (answers.every(({ granted }) => granted)) return;
  throw new CliError(EXIT.failure, "The key may not do all of this");
}

/** `kilde keys check` */
export function keysCheckCommand(context: CliContext): Command {
  return keysOptions(new Command("check"), "print JSON, one grant per line")
    .description(
      "Prints whether a key may do something. Ends with exit code 1 if it may not do all of it. Without <key>, checks the key whose token is stated.",
    )
    .argument("[key]", "its name or id")
    .addOption(grantOption().makeOptionMandatory())
    .addHelpText(
      "after",
      examples(
        "kilde keys check shop --may append:/streams/order-7",
        "KILDE_TOKEN_FILE=shop.token kilde keys check --may append:/streams/order-7",
      ),
    )
    .action((key: string | undefined, flags: CheckFlags) => check(context, key, flags));
}
