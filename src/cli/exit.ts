import { type KildeError, type ProblemCode, PROBLEMS } from "../core/errors.ts";
import { escapeLine } from "./control-characters.ts";

/** What the program's exit codes mean; `kilde --help` prints them. */
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
  failure: "it failed; standard error says why",
  usage: "the command line or a setting is not valid",
  conflict: "the stream is not at the expected version, is erased, or the idempotency key was used before",
  unavailable: "the server or database cannot be reached or used now; try again",
  faults: "the database or backup has faults, or is damaged",
};

/** A failure that is told in two sentences: what happened, and what to do. */
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

/** A failure that the catalogue of problems knows, as the command line tells it. */
export function problemError(error: KildeError): CliError {
  const details = (error.members.errors ?? [])
    .map(({ pointer, parameter, detail }) => `\n  ${escapeLine(`${pointer ?? parameter ?? ""}: ${detail}`)}`)
    .filter((detail) => !error.message.includes(detail.trim()));
  const { remedy } = PROBLEMS[error.code];
  return new CliError(exitCodeOf(error.code), escapeLine(error.message) + details.join(""), remedy, {
    cause: error,
  });
}
