import { SETTING_NAMES } from "../config/names.ts";
import type { CliContext } from "./context.ts";

const TOKEN = { flag: "--token", environment: "KILDE_TOKEN" };

/** Warns of secrets in flags, which all users of the machine see in the list of processes. */
export async function reportSecretFlags({ stderr }: CliContext, args: readonly string[]): Promise<void> {
  for (const { flag, environment } of [TOKEN, ...SETTING_NAMES.filter(({ secret }) => secret)]) {
    if (!args.some((arg) => arg === flag || arg.startsWith(`${flag ?? ""}=`))) continue;
    await stderr.write(
      `kilde: ${flag ?? ""} shows a secret to the other users of this machine; use ${environment}_FILE or ${environment}\n`,
    );
  }
}
