import { createSeal, type Seal } from "./seal.ts";
import { parseKeys } from "./seal-keys.ts";

/** Creates the seal of the configured keys; null without one. */
export function sealWith(keys: readonly string[]): Seal | null {
  return keys.length === 0 ? null : createSeal(parseKeys(keys.join(",")));
}
