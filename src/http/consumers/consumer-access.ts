import type { Context } from "hono";

import { needOf, subjectPrefixes } from "../../access/need.ts";
import { isAdmittedFreely } from "../../access/principal.ts";
import type { AppDeps } from "../deps.ts";
import type { IdentifiedSender } from "../pipeline/authentication.ts";
import { type AccessRule, authorize, forbidden, requireKnown, senderOf } from "../pipeline/authorization.ts";

/** The rules of the operations on the consumers of a log. */
export interface ConsumerAccess {
  readonly lists: AccessRule;
  readonly reads: AccessRule;
  readonly commits: AccessRule;
  readonly forgets: AccessRule;
}

interface ConsumedPath {
  /** Path of the log, with parameters in braces. */
  readonly path: string;
  /** Path of the log in a request. */
  readonly pathOf: (c: Context) => string;
  /** Whether everyone may read the log. */
  readonly isPublic: (c: Context, deps: AppDeps) => boolean;
}

/** Throws a KildeError unless the sender is bound to the consumer: a name states who reads, so nobody else may use it. */
export function authorizeConsumer(sender: IdentifiedSender, consumer: string): void {
  const { principal } = sender;
  if (isAdmittedFreely(principal)) return;
  requireKnown(sender);
  if (principal.consumer === consumer) return;
  const name = JSON.stringify(consumer);
  const detail = `The sender is not bound to the consumer ${name}; \`kilde keys create --consumer\` binds a key`;
  throw forbidden(principal, `consumer:${consumer}`, detail);
}

export function consumerAccess({ path, pathOf, isPublic }: ConsumedPath): ConsumerAccess {
  const manages = (c: Context) => authorize(senderOf(c), needOf("manage", pathOf(c)));
  const isOwn = (c: Context) => senderOf(c).principal.consumer === c.req.param("consumer");
  /** Some of the log is enough: a position reveals nothing of its events. */
  const readsSome = (c: Context, deps: AppDeps) => {
    const sender = senderOf(c);
    requireKnown(sender);
    const log = pathOf(c);
    if (isPublic(c, deps) || subjectPrefixes(sender.principal.grants, log) !== null) return;
    authorize(sender, needOf("read", log));
  };
  const ownOrManaged = {
    needs: `read:${path}`,
    check: (c: Context, deps: AppDeps) => (isOwn(c) ? readsSome(c, deps) : manages(c)),
  };
  return {
    lists: { needs: `manage:${path}`, check: manages },
    reads: ownOrManaged,
    commits: {
      needs: `read:${path}`,
      check(c, deps) {
        readsSome(c, deps);
        authorizeConsumer(senderOf(c), c.req.param("consumer") ?? "");
      },
    },
    forgets: ownOrManaged,
  };
}
