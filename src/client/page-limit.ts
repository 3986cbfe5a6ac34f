import { KildeError } from "../core/errors.ts";

/** Whether an error rejects the `limit` of a request: the server allows only smaller pages (`limits.pageEvents`). */
function isLimitRefused(error: unknown): boolean {
  return (
    error instanceof KildeError &&
    error.code === "invalid-parameter" &&
    error.members.errors?.some(({ parameter }) => parameter === "limit") === true
  );
}

/** Requests a page of at most `limit` entries, or of the server's default size (undefined). */
export type AskForPage = <Page>(
  limit: number | undefined,
  ask: (limit: number | undefined) => Promise<Page>,
) => Promise<Page>;

/**
 * Requests pages as large as wanted, or as the server allows. Once a server rejected a limit, the following pages
 * state none.
 */
export function createPageLimit(): AskForPage {
  let refused = Number.POSITIVE_INFINITY;
  return async (limit, ask) => {
    if (limit === undefined || limit >= refused) return ask(undefined);
    try {
      return await ask(limit);
    } catch (error) {
      if (!isLimitRefused(error)) throw error;
      refused = limit;
      return ask(undefined);
    }
  };
}
