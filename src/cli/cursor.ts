import type { Client } from "../client/index.ts";
import type { CommitOptions } from "../client/types.ts";

/** A cursor that the server keeps. */
export interface CursorArgument {
  /** Notes a position; it is committed soon, together with later ones. Rejects when committing failed before. */
  moveTo(position: number): Promise<void>;
  /** Resolves when everything noted is committed. */
  settle(): Promise<void>;
}

/** One commit is under way at a time, and nobody waits for it: after a crash, a few events come again. */
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
