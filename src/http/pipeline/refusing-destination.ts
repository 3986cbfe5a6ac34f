import type { KildeError } from "../../core/errors.ts";
import { admitEveryone } from "./authentication.ts";
import type { Destination } from "./pipeline.ts";

/**
 * Refuses every request below a path while its store cannot be used. The code that opens the store reports the reason,
 * so requests report no faults.
 */
export function refusingDestination(
  at: Pick<Destination, "basePath" | "corsOrigins" | "onAccess">,
  errorNow: () => KildeError,
): Destination {
  return {
    ...at,
    onFault: () => {},
    authenticate: admitEveryone,
    answer() {
      throw errorNow();
    },
  };
}
