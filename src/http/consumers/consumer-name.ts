import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import { nameFault } from "../../core/names.ts";
import { principalOf, senderOf } from "../pipeline/authorization.ts";
import { authorizeConsumer } from "./consumer-access.ts";
import type { AppDeps } from "../deps.ts";

/** Header with the name of the reader. */
export const CONSUMER_HEADER = "Kilde-Consumer";

const ASCII = /^[\u0020-\u007e]*$/;

function checked(name: string, parameter: string, { limits }: AppDeps): string {
  const fault = nameFault(name, limits.streamNameBytes);
  if (fault === null) return name;
  throw new KildeError("invalid-parameter", `${parameter}: the name of a consumer ${fault}`, {
    errors: [{ parameter, detail: fault }],
  });
}

/**
 * Returns the consumer that a sender reads as: the one in the header, percent-decoded, or else the one that its key is bound
 * to; null: none. Throws a KildeError when the sender may not use the name.
 */
export function consumerOf(c: Context, deps: AppDeps): string | null {
  const header = c.req.raw.headers.get(CONSUMER_HEADER);
  if (header === null) return principalOf(c).consumer;
  const name = consumerInHeader(header, deps);
  authorizeConsumer(senderOf(c), name);
  return name;
}

function consumerInHeader(header: string, deps: AppDeps): string {
  if (!ASCII.test(header)) {
    const detail = "must be ASCII; percent-encode other characters as UTF-8";
    throw new KildeError("invalid-parameter", `${CONSUMER_HEADER} ${detail}`, {
      errors: [{ parameter: CONSUMER_HEADER, detail }],
    });
  }
  let name = header;
  try {
    name = decodeURIComponent(header);
  } catch {
    // A percent sign that encodes nothing is a literal one.
  }
  return checked(name, CONSUMER_HEADER, deps);
}

/** Returns the consumer that the path names. */
export function consumerInPath(c: Context, deps: AppDeps): string {
  return checked(c.req.param("consumer") ?? "", "consumer", deps);
}
