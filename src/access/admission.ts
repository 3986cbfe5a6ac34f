/** The facts that decide whether a store needs credentials. */
export interface AdmissionFacts {
  /** Whether only this machine reaches the address: false for a worker. */
  readonly isLoopback: boolean;
  readonly behindProxy: boolean;
  /** Whether issuers of tokens are configured. */
  readonly hasIssuers: boolean;
  /** Whether a key or issuer has ever existed in any database that the process serves. */
  readonly isSecured: boolean;
  /** Whether the operator asked for an open store. */
  readonly openRequested: boolean;
}

/**
 * `open`: anyone who reaches the address may do everything. `closed`: operations need credentials. `unsecured`: others
 * than this machine reach the address, and no credentials exist, so that everything but `/health` is refused.
 */
export type Admission = "open" | "closed" | "unsecured";

/** Decides whether a store needs credentials. A store that ever had a key or issuer is never open again. */
export function admissionOf(facts: AdmissionFacts): Admission {
  const { isLoopback, behindProxy, hasIssuers, isSecured, openRequested } = facts;
  if (isSecured || hasIssuers) return "closed";
  if (openRequested || (isLoopback && !behindProxy)) return "open";
  return "unsecured";
}

/** Whether the operator asked for an open store, and it is closed nevertheless: the log warns. */
export function isOpenIgnored(facts: AdmissionFacts): boolean {
  return facts.openRequested && admissionOf(facts) === "closed";
}

/** The facts that decide whether a server may listen at its address. */
export interface ListeningFacts {
  readonly isLoopback: boolean;
  readonly behindProxy: boolean;
  readonly hasTls: boolean;
  readonly openRequested: boolean;
}

/** Whether credentials would travel unencrypted to other machines: the server refuses to start. */
export function lacksEncryption({ isLoopback, behindProxy, hasTls, openRequested }: ListeningFacts): boolean {
  return !isLoopback && !behindProxy && !hasTls && !openRequested;
}
