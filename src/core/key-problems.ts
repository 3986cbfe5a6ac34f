/** The problems of requests about API keys, as part of the catalog in `errors.ts`. */
export const KEY_PROBLEMS = {
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
