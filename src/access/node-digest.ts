import { createHash } from "node:crypto";

/** SHA-256 of `node:crypto`, in hexadecimal digits: at once. */
export function nodeDigest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
