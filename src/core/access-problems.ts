/** The errors of senders without valid credentials, without a grant, or above their rate, and those about keys: a part of the catalog. */
export const ACCESS_PROBLEMS = {
  unauthenticated: {
    status: 401,
    title: "The request needs valid credentials",
    remedy:
      "Send `Authorization: Bearer <token>` with the token of a key that is neither revoked nor expired. `kilde keys create` makes one.",
  },
  forbidden: {
    status: 403,
    title: "The sender may not do this",
    remedy:
      "Use a key that has the grant in `needs`, or have one created with `kilde keys create --may <grant>`.",
  },
  "too-many-failures": {
    status: 429,
    title: "Too many requests from this address had invalid credentials",
    remedy:
      "Correct the credentials, and try again after Retry-After. Valid credentials are accepted meanwhile.",
  },
  "too-many-requests": {
    status: 429,
    title: "The sender exceeds its rate of requests",
    remedy:
      "Try again after Retry-After; `RateLimit` shows how many requests are left. `limits.requestsPerSecond` sets the rate.",
  },
  "store-not-secured": {
    status: 403,
    title: "Nobody may call this store before it is secured",
    remedy:
      "Create the first key with `kilde keys create`, on the database of the store. Or start Kilde with `open` (`--open`), which lets everyone who reaches its address do everything.",
  },
  "issuer-unavailable": {
    status: 503,
    title: "The issuer of tokens does not answer",
    remedy: "Try again after Retry-After. Without the issuer, Kilde cannot find out who the sender is.",
  },
  "sign-in-failed": {
    status: 400,
    title: "The sign-in did not succeed",
    remedy:
      "Sign in again at GET /session/oidc, within 10 minutes and in one browser. If the provider refuses, `detail` has its reason.",
  },
  "key-not-found": {
    status: 404,
    title: "There is no such key",
    remedy: "GET /keys (`kilde keys list --all`) lists the keys.",
  },
  "key-name-taken": {
    status: 409,
    title: "Another valid key has this name",
    remedy: "Rotate that key, revoke it first, or choose another name.",
  },
  "key-ended": {
    status: 409,
    title: "The key is rotated, expired or revoked",
    remedy: "Rotate the key that replaces it, or create a new one.",
  },
} as const;
