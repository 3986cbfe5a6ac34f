import { KildeError } from "../core/errors.ts";
import type { Answer } from "./answer.ts";
import { type Request, type RequestDeps, send } from "./request.ts";

/** The log to read, and a position that the answer must include. */
interface Needed {
  /** Absent: the event log. */
  readonly feed?: string | undefined;
  readonly position?: number | undefined;
}

/**
 * Sends a read whose answer includes the appends of this client, and the position of a version conflict it received:
 * a server may read from a replica that is a moment behind.
 */
export async function sendRead<Body>(
  deps: RequestDeps,
  path: string,
  init: Request,
  read: (answer: Answer) => Promise<Body>,
  { feed, position = 0 }: Needed,
): Promise<Body> {
  const { known } = deps;
  const own = feed === undefined ? known.position : 0;
  const ask = (shown: number) => {
    if (shown === 0) return send(deps, path, init, read);
    const headers = { ...(init.headers as Record<string, string>), "kilde-position": String(shown) };
    return send(deps, path, { ...init, headers }, read);
  };
  try {
    return await ask(Math.max(own, position));
  } catch (error) {
    const isRestored = error instanceof KildeError && error.code === "cursor-beyond-head";
    if (!isRestored || own <= position || own <= (error.members.head ?? 0)) throw error;
    // The server was restored from a backup that lacks appends of this client.
    if (known.position === own) known.position = 0;
    return ask(position);
  }
}
