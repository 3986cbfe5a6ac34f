import type { Client } from "../client/index.ts";
import type { CommitOptions } from "../client/types.ts";

/** A cursor that the server keeps. */
export interface CursorArgument {
  /** Records a position, which is committed soon, together with later ones. Rejects when an earlier commit failed. */
  moveTo(position: number): Promise<void>;
  /** Resolves when every recorded position is committed. */
  settle(): Promise<void>;
}

/** Commits run one at a time, and the caller does not wait for them: after a crash, a few events arrive again. */
export function createCursor(client: Client, options: CommitOptions): CursorArgument {
  let noted: number | null = null;
  let committing: Promise<void> | null = null;
  let failure: { readonly error: unknown } | null = null;

  const commitAll = async (): Promise<void> => {
    try {
      while (noted !== null) {
        const position = noted;
        noted = null;
        await client.commit(position, options);
      }
    } catch (error) {
      failure = { error };
    }
    committing = null;
  };

  const check = (): void => {
    if (failure !== null) throw failure.error;
  };

  return {
    async moveTo(position) {
      check();
      noted = position;
      committing ??= commitAll();
    },
    async settle() {
      await committing;
      check();
    },
  };
}
