import { type KildeError, type ProblemCode } from "../core/errors.ts";
import { PROBLEMS } from "../core/problems.ts";
import { escapeLine } from "./control-characters.ts";

/** The exit codes with their meanings; `kilde --help` prints them. */
export const EXIT = {
  ok: 0,
  failure: 1,
  usage: 2,
  conflict: 3,
  unavailable: 4,
  faults: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done",
  failure: "it failed; standard error shows the cause",
  usage: "the command line or a setting is not valid",
  conflict: "the stream is not at the expected version, is erased, or the idempotency key was used before",
  unavailable: "the server or database is unavailable; try again",
  faults: "the database or backup has faults, or is damaged",
};

/** A failure with two sentences: the cause, and the remedy. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  readonly remedy: string | null;

  constructor(exitCode: ExitCode, message: string, remedy: string | null = null, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
    this.remedy = remedy;
  }
}

const CONFLICTS: ReadonlySet<ProblemCode> = new Set([
  "version-conflict",
  "precondition-failed",
  "stream-erased",
  "idempotency-key-reused",
]);

function exitCodeOf(code: ProblemCode): ExitCode {
  if (CONFLICTS.has(code)) return EXIT.conflict;
  const { status } = PROBLEMS[code];
  if (status === 503) return EXIT.unavailable;
  return code === "invalid-parameter" || code === "cursor-beyond-head" ? EXIT.usage : EXIT.failure;
}

/** Converts a problem of the catalog to a failure of the command line. */
export function problemError(error: KildeError): CliError {
  const details = (error.members.errors ?? [])
    .map(({ pointer, parameter, detail }) => `\n  ${escapeLine(`${pointer ?? parameter ?? ""}: ${detail}`)}`)
    .filter((detail) => !error.message.includes(detail.trim()));
  const { remedy } = PROBLEMS[error.code];
  return new CliError(exitCodeOf(error.code), escapeLine(error.message) + details.join(""), remedy, {
    cause: error,
  });
}
