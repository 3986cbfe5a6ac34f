/** Decodes standard base64 (RFC 4648 §4), padded; null for an invalid text. */
export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> | null {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return null;
  }
  // `atob` accepts spaces and stray bits, so that several texts would stand for one secret.
  if (btoa(binary) !== text) return null;
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Encodes bytes as standard base64, padded. */
export function base64OfBytes(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
