/** One line of the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** Below the path that the store is served under. */
  readonly path: string;
  readonly status: number;
  /** Name of the sender; absent: it has none. */
  readonly principal?: string;
  /** Milliseconds until the answer began. */
  readonly durationMs: number;
}

/** Called with every request once its answer begins; null: there is no access log. */
export type OnAccess = ((entry: AccessEntry) => void) | null;
