/** Returns a URL; null for an invalid text. Early versions of Node 20 lack `URL.parse`. */
export function parseUrl(text: string, base?: string): URL | null {
  return URL.canParse(text, base) ? new URL(text, base) : null;
}
