import { KildeError } from "../client/index.ts";

/** Whether an error reports that a feed, or the event log, has no events of a subject. */
export function isUnknownSubject(error: unknown): boolean {
  return (
    error instanceof KildeError && (error.code === "subject-not-found" || error.code === "stream-not-found")
  );
}
