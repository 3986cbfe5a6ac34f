import { type ApiKey, type ApiKeys } from "../client/key-types.ts";
import { KildeError } from "../core/errors.ts";
import { CliError, EXIT } from "./exit.ts";

/** A key that is named on the command line, and the other keys of the store that are valid. */
export interface NamedKeys {
  /** The valid keys of a name, or the key of an id, which may have ended. */
  readonly named: readonly ApiKey[];
  readonly others: readonly ApiKey[];
}

export function isUsable({ status }: ApiKey): boolean {
  return status === "active" || status === "rotated";
}

async function keyOfId(keys: ApiKeys, id: string): Promise<ApiKey | null> {
  if (!/^[a-z0-9]{12}$/.test(id)) return null;
  try {
    return await keys.get(id);
  } catch (error) {
    if (error instanceof KildeError && error.code === "key-not-found") return null;
    throw error;
  }
}

/** Finds keys by an id or a name. Throws a CliError when there is none. */
export async function findKeys(keys: ApiKeys, text: string): Promise<NamedKeys> {
  const ofId = await keyOfId(keys, text);
  const named: ApiKey[] = ofId === null ? [] : [ofId];
  const others: ApiKey[] = [];
  for await (const key of keys.list()) {
    if (!isUsable(key) || key.key === ofId?.key) continue;
    (ofId === null && key.name === text ? named : others).push(key);
  }
  if (named.length > 0) return { named, others };
  throw new CliError(
    EXIT.failure,
    `There is no valid key with the name or id ${JSON.stringify(text)}`,
    "`kilde keys list --all` lists the keys.",
  );
}
