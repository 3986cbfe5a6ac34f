import { type Admission, type AdmissionFacts, admissionOf, isOpenIgnored } from "../access/admission.ts";
import type { SettingValues } from "../config/settings.ts";
import type { EventLogger } from "./event-logger.ts";

/** Decides whether the stores of a process need credentials. */
export interface ProcessAdmission {
  /** The decision now. It changes when a key appears in a database. */
  readonly now: () => Admission;
  /** Whether the settings ask for an open store, and it is closed nevertheless. */
  readonly isOpenIgnored: () => boolean;
}

/** `isSecured`: whether a key or issuer has ever existed in any database of the process, as far as is known. */
export function processAdmission(
  { behindProxy, open: openRequested, auth }: Pick<SettingValues, "behindProxy" | "open" | "auth">,
  isLoopback: boolean,
  isSecured: () => boolean,
): ProcessAdmission {
  const hasIssuers = auth.issuers.length > 0 || auth.oidc !== undefined;
  const facts = (): AdmissionFacts => ({
    isLoopback,
    behindProxy,
    hasIssuers,
    isSecured: isSecured(),
    openRequested,
  });
  return { now: () => admissionOf(facts()), isOpenIgnored: () => isOpenIgnored(facts()) };
}

/** Logs that the settings ask for an open store, and it is closed. */
export function warnOfIgnoredOpen(admission: ProcessAdmission, logger: EventLogger): void {
  if (!admission.isOpenIgnored()) return;
  logger.warn(
    {},
    "`open` has no effect: a key or an issuer of tokens has existed, so requests need credentials",
  );
}
