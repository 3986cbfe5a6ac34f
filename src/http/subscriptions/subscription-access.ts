import { covers, needOf } from "../../access/need.ts";
import type { Principal } from "../../access/principal.ts";
import type { AppDeps } from "../deps.ts";
import { isPublicLog } from "../feeds/feed-access.ts";

/** The events that a subscription delivers: those of a log whose subjects begin with a prefix. */
export interface DeliveredPart {
  /** Path of the log. */
  readonly source: string;
  readonly subjectPrefix: string;
}

/**
 * Whether a principal sees a subscription. It shows what its log holds: names of subjects, errors, and the events themselves,
 * at an address of the sender's choice. So it exists only for senders that may read what it delivers.
 */
export function seesSubscription(
  deps: Pick<AppDeps, "feeds">,
  { grants }: Principal,
  { source, subjectPrefix }: DeliveredPart,
): boolean {
  return isPublicLog(deps, source) || covers(grants, needOf("read", source, subjectPrefix));
}
