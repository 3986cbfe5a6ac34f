import { KildeError } from "../../core/errors.ts";
import { isUnanswered, storageError } from "../../storage/failures.ts";
import { problemResponse } from "./problems.ts";

/** Called with each error that needs a person; the client only sees `internal` and the request's id. */
export type OnFault = (error: unknown, requestId: string) => void;

export interface FailedRequest {
  readonly requestId: string;
  /** Below `basePath`. */
  readonly path: string;
  readonly basePath: string;
  readonly onFault: OnFault;
}

/** Returns the error that a client sees. */
export function shownError(error: unknown, requestId: string): KildeError {
  if (error instanceof KildeError || isUnanswered(error)) return storageError(error);
  return new KildeError("internal", `Request ${requestId} failed`);
}

/** Whether a person must learn of an error: no client caused it. */
export function isFault({ code }: KildeError): boolean {
  return code === "storage-unavailable" || code === "internal";
}

/** Turns any error into an answer, and reports the errors that no client caused. */
export function failureResponse(
  error: unknown,
  { requestId, path, basePath, onFault }: FailedRequest,
): Response {
  const shown = shownError(error, requestId);
  if (isFault(shown)) onFault(error, requestId);
  return problemResponse(path, shown, basePath);
}
