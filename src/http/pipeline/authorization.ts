import type { Context } from "hono";

import { type GrantVerb } from "../../access/grant.ts";
import { type AccessNeed, covers, needOf, NEEDS_ADMIN, needText } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import type { Actor } from "../../administration/actor.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppDeps } from "../deps.ts";
import type { IdentifiedSender } from "./authentication.ts";
import type { RequestContext } from "./pipeline.ts";
import { statedReason } from "./stated-reason.ts";

/** The grant that an operation needs, decided before anything is looked up. */
export interface AccessRule {
  /** The text form of the grant, with the parameters of the path in braces. For descriptions. */
  readonly needs: string;
  /** Throws a KildeError unless the sender may. Reads only the request, and the definitions of feeds. */
  readonly check: (c: Context, deps: AppDeps) => void;
}

/**
 * Who may call an operation. `always`: everyone, even if the store refuses everything else. `public`: everyone, also
 * without credentials. `known`: everyone with valid credentials; the operation itself may restrict what it shows. `admin`:
 * senders with the grant `admin`.
 */
export type OperationAccess = "always" | "public" | "known" | "admin" | AccessRule;

/** Returns the sender of the request. */
export function senderOf(c: Context): IdentifiedSender {
  return c.env as RequestContext;
}

export function principalOf(c: Context): Principal {
  return senderOf(c).principal;
}

/** The sender of a request and the reason that it states, for the log of administration. Throws `invalid-parameter`. */
export function actorOf(c: Context): Actor {
  return { by: principalOf(c).name, reason: statedReason(c.req.raw.headers) };
}

/** Returns the error for a sender that needs credentials and has no valid ones; null for every other sender. */
export function knownError({ principal, refusal }: IdentifiedSender): KildeError | null {
  if (refusal !== null || principal.kind !== "anonymous") return refusal;
  return missingCredentials();
}

/** The error for a request without credentials. */
export function missingCredentials(): KildeError {
  return new KildeError("unauthenticated", "The request has no credentials", { credentials: "missing" });
}

/** Throws a KildeError unless the sender has valid credentials, or needs none. */
export function requireKnown(sender: IdentifiedSender): void {
  const error = knownError(sender);
  if (error !== null) throw error;
}

/** Returns the error for a sender that lacks a grant. It is the same whether or not the requested thing exists. */
export function forbidden({ name }: Principal, needs: string, detail: string): KildeError {
  return new KildeError("forbidden", detail, { needs, principal: name });
}

/** Throws a KildeError unless the grants of the sender cover the need. */
export function authorize(sender: IdentifiedSender, need: AccessNeed): void {
  requireKnown(sender);
  const { principal } = sender;
  if (covers(principal.grants, need)) return;
  const needs = needText(need);
  throw forbidden(principal, needs, `The sender does not have the grant ${needs}`);
}

/** Throws a KildeError unless the sender may call the operation. */
export function authorizeOperation(c: Context, access: OperationAccess, deps: AppDeps): void {
  if (access === "always") return;
  const sender = senderOf(c);
  if (sender.refusal?.code === "store-not-secured") throw sender.refusal;
  if (access === "public") return;
  if (access === "known") {
    requireKnown(sender);
  } else if (access === "admin") {
    authorize(sender, NEEDS_ADMIN);
  } else {
    access.check(c, deps);
  }
}

/** The operation needs a grant on a path, whose parameters are those of the operation: `/streams/{stream}`. */
export function needing(verb: GrantVerb, path: string): AccessRule {
  return {
    needs: `${verb}:${path}`,
    check(c) {
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => c.req.param(name) ?? "");
      authorize(senderOf(c), needOf(verb, filled));
    },
  };
}

/** The operation reads the events of a log, or its streams, whose names begin with the text in a query parameter. */
export function readingSubjects(path: string, parameter: "subjectPrefix" | "prefix"): AccessRule {
  return {
    needs: `read:${path}`,
    check: (c) => authorize(senderOf(c), needOf("read", path, c.req.query(parameter))),
  };
}
