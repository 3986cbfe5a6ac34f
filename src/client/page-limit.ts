import { KildeError } from "../core/errors.ts";

/** Whether an error refuses the `limit` of a request: the server allows smaller pages only (`limits.pageEvents`). */
function isLimitRefused(error: unknown): boolean {
  return (
    error instanceof KildeError &&
    error.code === "invalid-parameter" &&
    error.members.errors?.some(({ parameter }) => parameter === "limit") === true
  );
}

/** Asks for a page of at most `limit` entries, or of as many as the server gives when it states none (undefined). */
export type AskForPage = <Page>(
  limit: number | undefined,
  ask: (limit: number | undefined) => Promise<Page>,
) => Promise<Page>;

/** Pages as large as wanted, or as the server allows. Remembers for the following pages that a limit was refused. */
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
