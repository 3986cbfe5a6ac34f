import { z } from "zod";

import type { OidcProvider } from "../access/oidc-provider.ts";
import { SIGNATURE_ALGORITHMS, type TokenIssuer } from "../access/token-issuer.ts";
import { objectFault } from "./object-fault.ts";

const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;

/** Keys that came over an unencrypted connection could be anyone's. */
function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, hash } = new URL(text);
  if (username !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

const url = z
  .string("must be a URL")
  .refine(isSafeUrl, "must be an https:// URL, or an http:// one of this machine");

const audience = z.string("must be a text").min(1, "must not be empty");

/** A function; its parameters and its result are checked where it is called. */
function functionSchema<Called>() {
  return z.custom<Called>((value) => typeof value === "function", "must be a function of the token's claims");
}

const issuerSchema = z.strictObject(
  {
    issuer: url,
    audience: z.union(
      [audience, z.array(audience).min(1, "must name at least one audience")],
      "must be an audience, or a list of audiences",
    ),
    algorithms: z
      .array(
        z.enum(SIGNATURE_ALGORITHMS, `must be one of ${SIGNATURE_ALGORITHMS.join(", ")}`),
        "must be a list of algorithms, such as RS256",
      )
      .min(1, "must name at least one algorithm"),
    jwksUrl: url.optional(),
    grants: functionSchema<TokenIssuer["grants"]>(),
    name: functionSchema<NonNullable<TokenIssuer["name"]>>().optional(),
    consumer: functionSchema<NonNullable<TokenIssuer["consumer"]>>().optional(),
  },
  objectFault("must be an object: { issuer, audience, algorithms, grants }"),
);

const MAX_ISSUERS = 100;

/** The variable with the client secret, which a file in version control should not have. */
export const OIDC_SECRET_VARIABLE = "KILDE_OIDC_CLIENT_SECRET";

const SCOPE_FAULT = "must be a list of scopes, such as groups";

const oidcSchema = z.strictObject(
  {
    issuer: url,
    clientId: z.string("must be the id of a client").min(1, "must not be empty"),
    clientSecret: z.string("must be a text").min(1, "must not be empty").optional(),
    scopes: z.array(z.string(SCOPE_FAULT).regex(/^[!#-[\]-~]+$/, SCOPE_FAULT), SCOPE_FAULT).optional(),
    grants: functionSchema<OidcProvider["grants"]>(),
    name: functionSchema<NonNullable<OidcProvider["name"]>>().optional(),
  },
  objectFault("must be an object: { issuer, clientId, grants }"),
);

/** The senders that are admitted beside those with a key. */
export const authSchema = z
  .strictObject(
    {
      issuers: z
        .array(issuerSchema, "must be a list of issuers")
        .max(MAX_ISSUERS, `must have at most ${MAX_ISSUERS} issuers`)
        .refine(
          (issuers) => new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length,
          "must name each issuer once",
        )
        .default([]),
      /** Where people sign in to open a session. */
      oidc: oidcSchema.optional(),
    },
    objectFault("must be an object: { issuers, oidc }"),
  )
  .prefault({});
