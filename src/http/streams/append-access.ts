import { needOf } from "../../access/need.ts";
import type { IdentifiedSender } from "../pipeline/authentication.ts";
import { type AccessRule, authorize, senderOf } from "../pipeline/authorization.ts";

/** Throws a KildeError unless the sender may append to the stream. */
export function authorizeAppend(sender: IdentifiedSender, stream: string): void {
  authorize(sender, needOf("append", `/streams/${stream}`));
}

/** Of `POST /streams/{stream}`. Appends that skip the router are decided by the same function. */
export const APPENDS: AccessRule = {
  needs: "append:/streams/{stream}",
  check: (c) => authorizeAppend(senderOf(c), c.req.param("stream") ?? ""),
};
