/** Forms of names that no grant can name alone. */
const UNNAMEABLE = /\*|^\/|\/\/|\/$/;

/** The grant that a change of a stream needs; for a name that no grant has, that of all streams. */
export function streamGrant(verb: "append" | "erase", stream: string): string {
  return `${verb}:/streams${stream === "" || UNNAMEABLE.test(stream) ? "" : `/${stream}`}`;
}
