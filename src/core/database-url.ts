/** `file:relative/path`, `file:/absolute/path`, `file:///absolute/path`; percent-encoded. */
const FILE_URL = /^file:(?:\/\/(?:localhost)?(?=\/))?(?!\/\/)([^?#]+)$/i;

/** The file of a database URL; null when the database is not a file or the URL is not well-formed. */
export function databaseFile(url: string): string | null {
  const path = FILE_URL.exec(url)?.[1];
  if (path === undefined || path === ":memory:") return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

/** Whether a database URL is the address of a libSQL server. */
export function isServerUrl(url: string): boolean {
  return /^(https?|libsql):\/\/./.test(url);
}

/** The database URL of a file. */
export function databaseFileUrl(file: string): string {
  return `file:${file.replaceAll(/[%?#]/g, encodeURIComponent)}`;
}

/** A database URL without credentials, for logs and output. */
export function shownDatabaseUrl(url: string): string {
  return url.replace(/\/\/[^/@]*@/, "//").replace(/[?#].*$/s, "");
}
