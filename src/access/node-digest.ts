import { createHash } from "node:crypto";

import type { Digest } from "./digest.ts";

/** SHA-256 of `node:crypto`: at once. */
export const nodeDigest: Digest = (text) => createHash("sha256").update(text).digest("hex");
