import { z } from "@hono/zod-openapi";

import type { OperationAccess } from "../pipeline/authorization.ts";
import { problem } from "./common.ts";

/** The ways to identify a sender, for `components.securitySchemes`. */
export const SECURITY_SCHEMES = {
  bearer: {
    type: "http",
    scheme: "bearer",
    description: "The token of an API key (`kilde keys create`), or a JWT of a configured issuer",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-kilde-session",
    description:
      "The session of a browser. Below the path of a tenant, such as `/shop-a`, its name is `__Host-kilde-session-shop-a`",
  },
} as const;

/** An open store needs no credentials, so each requirement is optional. */
const REQUIREMENTS = [{ bearer: [] }, { session: [] }, {}];

const REFUSALS = {
  401: {
    ...problem,
    description: "The request has no valid credentials",
    headers: z.object({
      "WWW-Authenticate": z.string().openapi({ description: "How to send credentials (RFC 6750)" }),
    }),
  },
  403: {
    ...problem,
    description: "The sender does not have the grant that `needs` in the problem names",
  },
};

function sentenceOf(access: OperationAccess): string {
  if (access === "always" || access === "public") return "Needs no credentials.";
  if (access === "known") return "Needs any valid credentials.";
  return `Needs \`${access === "admin" ? access : access.needs}\`.`;
}

/** Describes who may call an operation: the requirements, the grant in words, and the refusals. */
export function describedAccess(access: OperationAccess, description: string | undefined) {
  const isPublic = access === "always" || access === "public";
  return {
    security: isPublic ? [] : REQUIREMENTS,
    description: description === undefined ? sentenceOf(access) : `${description} ${sentenceOf(access)}`,
    refusals: isPublic ? {} : REFUSALS,
  };
}
