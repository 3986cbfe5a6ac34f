import { checkedToken, type TokenSource } from "../client/token.ts";
import { readSecretFile } from "../config/secret-files.ts";
import { errorText } from "../core/error-text.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import type { ServerFlags } from "./options.ts";

/** The place where a token is stated: itself, or the file that it is in. */
interface StatedToken {
  readonly source: string;
  readonly token?: string;
  readonly file?: string;
}

function statedToken(
  { environment }: CliContext,
  { token, tokenFile: file }: ServerFlags,
): StatedToken | null {
  if (token !== undefined) return { source: "flag --token", token };
  if (file !== undefined) return { source: "flag --token-file", file };
  const ofToken = environment["KILDE_TOKEN"] || undefined;
  const ofFile = environment["KILDE_TOKEN_FILE"] || undefined;
  if (ofToken !== undefined && ofFile !== undefined)
    throw new CliError(EXIT.usage, "KILDE_TOKEN and KILDE_TOKEN_FILE are both set", "Leave one of them out.");
  if (ofToken !== undefined) return { source: "environment KILDE_TOKEN", token: ofToken };
  return ofFile === undefined ? null : { source: "environment KILDE_TOKEN_FILE", file: ofFile };
}

/**
 * The token of requests: `--token`, `--token-file`, `KILDE_TOKEN` or `KILDE_TOKEN_FILE`; null: none is stated. A file is
 * read for each attempt, so that following continues with the token that replaces another in the file. Throws a CliError
 * when there is no token at its place now.
 */
export function serverToken(context: CliContext, flags: ServerFlags): TokenSource | null {
  const stated = statedToken(context, flags);
  if (stated === null) return null;
  const { source, token, file } = stated;
  const read = () => (file === undefined ? (token ?? "") : readSecretFile(file, context.cwd));
  try {
    const now = checkedToken(read(), "the token");
    return file === undefined ? now : read;
  } catch (error) {
    throw new CliError(EXIT.usage, `token: ${errorText(error)} (${source})`, null, { cause: error });
  }
}
