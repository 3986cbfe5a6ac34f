import { KildeError } from "../client/index.ts";
import { type DeliverDeps, noteFailure } from "./deliver.ts";
import type { Extent } from "./pull.ts";
import type { SubjectCursor } from "./store.ts";

/** The required part of a subject. Without either, anything is enough. */
export interface Need {
  /** At least this version. */
  readonly version?: number;
  /** All events that the feed has at the time of the call. */
  readonly asOf?: "now";
}

/** Progress of a consumer on a subject. */
export interface EnsuredSubject {
  readonly subject: string;
  readonly version: number;
}

function ensured(cursor: SubjectCursor | null): EnsuredSubject | null {
  return cursor === null || cursor.version === 0
    ? null
    : { subject: cursor.subject, version: cursor.version };
}

/**
 * Loads a subject from its beginning, and returns its progress; null if the feed has no events about it. Throws a
 * HandlerError if the handler fails, and a KildeError `feed-behind` if the feed has less than `version`.
 */
export async function ensure<Tx>(
  deps: DeliverDeps<Tx>,
  subject: string,
  { version = 1, asOf }: Need,
): Promise<EnsuredSubject | null> {
  const { store, key, pulls } = deps;
  const pull = async (way: "some" | "toNow"): Promise<SubjectCursor | null> => {
    const extent: Extent = "whole";
    try {
      return await pulls[way](subject, extent);
    } catch (error) {
      await noteFailure(deps, subject, error);
      throw error;
    }
  };
  if (asOf === "now") return ensured(await pull("toNow"));
  const [kept] = await store.readSubjects(key, [subject]);
  if (kept !== undefined && kept.version >= version) return ensured(kept);
  const some = await pull("some");
  if ((some?.version ?? 0) >= version) return ensured(some);
  if (version === 1) return null;
  const now = await pull("toNow");
  if ((now?.version ?? 0) >= version) return ensured(now);
  const name = JSON.stringify(subject);
  throw new KildeError(
    "feed-behind",
    `The feed has ${now?.version ?? 0} versions of ${name}, not ${version}`,
  );
}
