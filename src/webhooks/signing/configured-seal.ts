import { createSeal, type Seal } from "./seal.ts";
import { parseKeys } from "./seal-keys.ts";

/** The seal of the keys that are configured; null without one. */
export function sealWith(keys: readonly string[]): Seal | null {
  return keys.length === 0 ? null : createSeal(parseKeys(keys.join(",")));
}
