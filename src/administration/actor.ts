/** The author of a change, as its entry in the log of administration names it. */
export interface Actor {
  /** Name of the principal; null: unknown, or Kilde itself. */
  readonly by: string | null;
}

/** Kilde itself, or a principal who is unknown. */
export const NOBODY: Actor = { by: null };
