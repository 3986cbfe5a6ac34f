/** The author of a change, as its entry in the log of administration names it. */
export interface Actor {
  /** Name of the principal; null: unknown, or Kilde itself. */
  readonly by: string | null;
  /** Why, as the request states; null: it states no reason. */
  readonly reason: string | null;
}

/** Kilde itself, or a principal who is unknown. */
export const NOBODY: Actor = { by: null, reason: null };

/** The members of an entry that name the author and, if the request states one, the reason. */
export function authorship({ by, reason }: Actor): {
  readonly principal: string | null;
  readonly reason?: string;
} {
  return reason === null ? { principal: by } : { principal: by, reason };
}
