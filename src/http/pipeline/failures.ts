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

/** Turns any error into an answer, and reports the errors that no client caused. */
export function failureResponse(
  error: unknown,
  { requestId, path, basePath, onFault }: FailedRequest,
): Response {
  const known = error instanceof KildeError || isUnanswered(error) ? storageError(error) : null;
  if (known === null || known.code === "storage-unavailable") onFault(error, requestId);
  return problemResponse(path, known ?? new KildeError("internal", `Request ${requestId} failed`), basePath);
}
