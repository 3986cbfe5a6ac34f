/** Secrets that sign, in a text. `whpk_` is public. */
const SECRET = /\b(whsec_|whsk_)[A-Za-z0-9+/=_-]*/g;

/** The text with every secret in it blacked out, for logs and for answers: `whsec_[redacted]`. */
export function redactSecrets(text: string): string {
  return text.replaceAll(SECRET, "$1[redacted]");
}
