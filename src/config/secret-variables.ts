import { OIDC_SECRET_VARIABLE } from "./auth.ts";
import { SETTING_NAMES } from "./names.ts";
import { TENANT_TOKEN } from "./tenants.ts";

const SUFFIX = "_FILE";

const SECRETS: ReadonlySet<string> = new Set([
  ...SETTING_NAMES.flatMap(({ secret, environment }) => (secret ? [environment] : [])),
  OIDC_SECRET_VARIABLE,
]);

/** Returns the variable of a secret that a variable with the suffix `_FILE` states a file for; null: there is none. */
export function secretVariable(name: string): string | null {
  if (!name.endsWith(SUFFIX)) return null;
  const secret = name.slice(0, -SUFFIX.length);
  return SECRETS.has(secret) || TENANT_TOKEN.test(secret) ? secret : null;
}
