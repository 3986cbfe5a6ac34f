/** Forms of names that no grant can name alone. */
const UNNAMEABLE = /\*|^\/|\/\/|\/$/;

/** The grant that an append to a stream needs; for a name that no grant has, that of all streams. */
export function appendGrant(stream: string): string {
  return `append:/streams${stream === "" || UNNAMEABLE.test(stream) ? "" : `/${stream}`}`;
}
