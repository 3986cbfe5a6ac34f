import { type Command, InvalidArgumentError, Option } from "commander";

import { parseGrant } from "../access/grant.ts";
import { collect, jsonOption, withServerOptions } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { tenantOption } from "./tenants.ts";

function grant(text: string, earlier: readonly string[] | undefined): readonly string[] {
  const parsed = parseGrant(text);
  if ("fault" in parsed) throw new InvalidArgumentError(`The grant ${parsed.fault}.`);
  return collect(text, earlier);
}

/** The option with grants. */
export function grantOption(): Option {
  return new Option(
    "--may <grant>",
    "a verb and a path, such as read:/feeds/declarations or 'append:/streams/user-*', or admin; may be repeated",
  ).argParser(grant);
}

/** Adds the options that name the store: its database, or its server. */
export function keysOptions(command: Command, json?: string): Command {
  command.addOption(tenantOption()).addOption(jsonOption(json));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return withServerOptions(command, "address of a server to use instead of the database, as admin");
}
