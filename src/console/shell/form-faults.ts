import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { KildeError } from "../../core/errors.ts";
import type { ProblemDetail } from "../../core/problem-members.ts";

/** The faults that the server found in the request of a form. */
export const FormFaults = createContext<readonly ProblemDetail[]>([]);

export function faultsOf(error: unknown): readonly ProblemDetail[] {
  return (error instanceof KildeError && error.members.errors) || [];
}

/** The fault of a member of the request's body, or of a part of it; undefined: it has none. */
export function useFault(member: string | undefined): string | undefined {
  const faults = useContext(FormFaults);
  return faults.find(({ pointer = "" }) => member !== undefined && `${pointer}/`.startsWith(`/${member}/`))
    ?.detail;
}
