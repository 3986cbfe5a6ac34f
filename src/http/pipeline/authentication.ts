import type { Access } from "../../access/access.ts";
import type { Admission } from "../../access/admission.ts";
import { ANONYMOUS, ANYBODY, type Principal, TRUSTED } from "../../access/principal.ts";
import { TOKEN_PREFIX } from "../../access/token.ts";
import { KildeError } from "../../core/errors.ts";
import type { RateState } from "../../core/request-rate.ts";

/** The sender of a request. */
export interface IdentifiedSender {
  readonly principal: Principal;
  /** The error for every operation that is not public; null: the grants of the principal decide. */
  readonly refusal: KildeError | null;
  /** How many requests it may still send; absent: it is not limited. */
  readonly rate?: RateState;
}

/**
 * Identifies the sender of a request. Throws a KildeError when the request may not proceed at all. Runs before anything
 * in the store is looked up, so that a refusal does not reveal which streams or feeds exist.
 */
export type Authenticate = (request: Request) => IdentifiedSender | Promise<IdentifiedSender>;

const ANY_SENDER: IdentifiedSender = { principal: ANYBODY, refusal: null };
const ANONYMOUS_SENDER: IdentifiedSender = { principal: ANONYMOUS, refusal: null };

/** Lets every request proceed: Kilde relies on its address, or on a proxy in front of it. */
export const admitEveryone: Authenticate = () => ANY_SENDER;

const TRUSTED_SENDER: IdentifiedSender = { principal: TRUSTED, refusal: null };

/** Lets every request of the program that embeds the store proceed, also if the store has keys. */
export const trustCaller: Authenticate = () => TRUSTED_SENDER;

/** Longest tokens, in characters: those of keys, and those of issuers and sessions. */
const MOST_KEY_CHARACTERS = 4 * 1_024;
const MOST_TOKEN_CHARACTERS = 16 * 1_024;

/** RFC 6750 §2.1; the name of a scheme may have any case (RFC 9110 §11.1). */
const BEARER = /^bearer +([\w\-.~+/]+=*)$/i;
const MOST_HEADER_CHARACTERS = MOST_TOKEN_CHARACTERS + "Bearer ".length;

/** Returns the token in the header `Authorization`; null: it has none that could be valid. */
export function bearerToken(header: string): string | null {
  if (header.length > MOST_HEADER_CHARACTERS) return null;
  const token = BEARER.exec(header)?.[1] ?? null;
  const isTooLong = token !== null && token.length > MOST_KEY_CHARACTERS && token.startsWith(TOKEN_PREFIX);
  return isTooLong ? null : token;
}

function refused(refusal: KildeError): IdentifiedSender {
  return { principal: ANONYMOUS, refusal };
}

/** The error for credentials that are unknown, revoked or expired. */
export function invalidCredentials(): KildeError {
  const detail = "The credentials are not valid: they are unknown, revoked or expired";
  return new KildeError("unauthenticated", detail, { credentials: "invalid" });
}

function identified(principal: Principal | null): IdentifiedSender {
  if (principal !== null) return { principal, refusal: null };
  return refused(invalidCredentials());
}

export interface AuthenticationOptions {
  readonly access: Pick<Access, "refreshed" | "isSecured" | "authenticate">;
  /** Whether the store needs credentials now. */
  readonly admission: () => Admission;
  /** Identifies the sender by the cookie of a session; null: the request has none that is valid. */
  readonly session?: (request: Request) => Principal | null | Promise<Principal | null>;
}

/** Identifies senders by the keys, tokens and sessions of a store, if the store needs credentials. */
export function authenticateWith({
  access,
  admission,
  session = () => null,
}: AuthenticationOptions): Authenticate {
  const byHeader = (header: string): IdentifiedSender | Promise<IdentifiedSender> => {
    const token = bearerToken(header);
    if (token === null) return identified(null);
    const principal = access.authenticate(token);
    return principal instanceof Promise ? principal.then(identified) : identified(principal);
  };

  /** A token that is sent before a store has a key may be of its first key, which another process has created just now. */
  const byHeaderOnceClosed = (
    request: Request,
    otherwise: IdentifiedSender,
  ): IdentifiedSender | Promise<IdentifiedSender> => {
    const header = request.headers.get("authorization");
    if (header === null) return otherwise;
    const sender = byHeader(header);
    const unlessClosed = (found: IdentifiedSender) => (admission() === "closed" ? found : otherwise);
    return sender instanceof Promise ? sender.then(unlessClosed) : unlessClosed(sender);
  };

  /** A cookie that is not valid any more counts as none: browsers send it without being asked. */
  const bySession = (request: Request): IdentifiedSender | Promise<IdentifiedSender> => {
    const found = session(request);
    const sender = (principal: Principal | null): IdentifiedSender =>
      principal === null ? ANONYMOUS_SENDER : { principal, refusal: null };
    return found instanceof Promise ? found.then(sender) : sender(found);
  };

  const identify = (request: Request): IdentifiedSender | Promise<IdentifiedSender> => {
    switch (admission()) {
      case "open":
        return byHeaderOnceClosed(request, ANY_SENDER);
      case "unsecured":
        return byHeaderOnceClosed(
          request,
          refused(new KildeError("store-not-secured", "This store has no key yet")),
        );
      case "closed": {
        const header = request.headers.get("authorization");
        return header === null ? bySession(request) : byHeader(header);
      }
    }
  };

  /** Public operations need no credentials, so they answer even if the credentials cannot be looked up. */
  const failed = (error: unknown): IdentifiedSender => {
    if (error instanceof KildeError) return refused(error);
    throw error;
  };

  return (request) => {
    const reading = access.refreshed();
    try {
      const sender = reading === null ? identify(request) : reading.then(() => identify(request));
      return sender instanceof Promise ? sender.catch(failed) : sender;
    } catch (error) {
      return failed(error);
    }
  };
}
