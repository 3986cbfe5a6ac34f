import { KildeError } from "../../core/errors.ts";
import type { AppDeps } from "../deps.ts";
import type { IdentifiedSender } from "./authentication.ts";

/** Counts an error if it denies a request to a sender whose credentials are valid. */
export function noteDenial(
  error: unknown,
  { principal }: IdentifiedSender,
  { denials }: Pick<AppDeps, "denials">,
): void {
  if (!(error instanceof KildeError) || error.code !== "forbidden" || principal.name === null) return;
  denials.note({ principal: principal.name, needs: String(error.members.needs) });
}
