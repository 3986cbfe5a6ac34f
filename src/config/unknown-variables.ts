import { nearest } from "../core/nearest.ts";
import { OIDC_SECRET_VARIABLE } from "./auth.ts";
import { SETTING_NAMES } from "./names.ts";
import { secretVariable } from "./secret-variables.ts";
import { TENANT_TOKEN } from "./tenants.ts";

/** Variables that the command line reads besides settings. */
const CLIENT_VARIABLES = ["KILDE_URL", "KILDE_TOKEN", "KILDE_TOKEN_FILE"];

/** Variables that Kubernetes sets in each container of a namespace that has a service named `kilde`. */
const SERVICE_VARIABLE = /^KILDE_(SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+)$/;

/** Describes the `KILDE_*` variables that Kilde ignores because they are not settings. */
export function unknownVariables(environment: object): string[] {
  const known = [...SETTING_NAMES.map((name) => name.environment), OIDC_SECRET_VARIABLE, ...CLIENT_VARIABLES];
  return Object.entries(environment).flatMap(([name, value]) => {
    const isRead =
      known.includes(name) ||
      TENANT_TOKEN.test(name) ||
      SERVICE_VARIABLE.test(name) ||
      secretVariable(name) !== null;
    if (!name.startsWith("KILDE_") || isRead || typeof value !== "string") return [];
    const near = nearest(name, known);
    return [`${name} is ignored: there is no such setting${near === null ? "" : `; did you mean ${near}?`}`];
  });
}
