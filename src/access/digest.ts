/**
 * SHA-256 of a text in UTF-8, in hexadecimal digits. Where the runtime can, at once: an authenticated request then waits
 * for nothing.
 */
export type Digest = (text: string) => string | Promise<string>;

/** SHA-256 of WebCrypto, in any runtime. */
export const webDigest: Digest = async (text) => {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
};
