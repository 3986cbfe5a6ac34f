/** The errors of senders without valid credentials or without a grant, and those about keys: a part of the catalog. */
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
  "store-not-secured": {
    status: 403,
    title: "Nobody may call this store before it is secured",
    remedy:
      "Create the first key with `kilde keys create`, on the database of the store. Or start Kilde with `open` (`--open`), which lets everyone who reaches its address do everything.",
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
