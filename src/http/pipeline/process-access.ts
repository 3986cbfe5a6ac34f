import type { Admission } from "../../access/admission.ts";
import type { Principal } from "../../access/principal.ts";
import { isSameText } from "../../access/token.ts";
import { type Authenticate, authenticateWith } from "./authentication.ts";

/** The holder of the token in the setting `metricsToken`. */
const SCRAPER: Principal = {
  kind: "key",
  name: "metrics",
  grants: [{ verb: "read", path: "/metrics", isPrefix: false, subjectPrefix: "" }],
  consumer: null,
  credential: null,
  expires: null,
};

export interface ProcessAccessOptions {
  readonly admission: () => Admission;
  readonly digest: (text: string) => string;
  /** Undefined: nobody reads the metrics of a process that is not open. */
  readonly metricsToken: string | undefined;
}

/**
 * Identifies the senders of requests to the process itself, whose metrics name all tenants. The keys of a tenant mean
 * nothing here: each tenant has its own `/metrics`.
 */
export function authenticateAtProcess({
  admission,
  digest,
  metricsToken,
}: ProcessAccessOptions): Authenticate {
  const expected = metricsToken === undefined ? null : digest(metricsToken);
  return authenticateWith({
    admission,
    access: {
      refreshed: () => null,
      isSecured: () => true,
      authenticate: (token) => (expected !== null && isSameText(digest(token), expected) ? SCRAPER : null),
    },
  });
}
