import { KildeError } from "../../core/errors.ts";
import type { ProblemDetail } from "../../core/problem-members.ts";
import { KildeUnreachableError } from "../../client/unreachable.ts";

/** The texts of an error: its kind, the case, and the remedy. */
interface ProblemTexts {
  readonly title: string;
  readonly detail: string;
  readonly remedy: string | null;
  readonly code: string | null;
  /** The faults of a request, each with the place of it. */
  readonly faults: readonly string[];
}

function faultText({ pointer, parameter, detail }: ProblemDetail): string {
  const place = pointer ?? parameter;
  return place === undefined || place === "" ? detail : `${place}: ${detail}`;
}

function textsOf(error: unknown): ProblemTexts {
  if (error instanceof KildeError) {
    const { title = "The server refuses this", remedy = null, errors = [] } = error.members;
    // The message of one fault is its text.
    const faults = errors.map(faultText).filter((fault) => fault !== error.message);
    return { title, detail: error.message, remedy, code: error.code, faults };
  }
  if (error instanceof KildeUnreachableError) {
    const remedy = error.isOutcomeUnknown
      ? "Look at the state before you repeat this: the server may have done it."
      : "The console tries again. If this lasts, check whether the server runs and answers at this address.";
    return { title: "The server does not answer", detail: error.message, remedy, code: null, faults: [] };
  }
  return {
    title: "The console failed",
    detail: error instanceof Error ? error.message : String(error),
    remedy: "Load the page again.",
    code: null,
    faults: [],
  };
}

export interface ProblemProps {
  readonly error: unknown;
  /** Tries again; absent: there is nothing to repeat. */
  readonly onRetry?: (() => void) | undefined;
}

/** Shows an error, with the remedy that the server states. */
export function Problem({ error, onRetry }: ProblemProps) {
  const { title, detail, remedy, code, faults } = textsOf(error);
  return (
    <section class="problem" role="alert">
      <h3>{title}</h3>
      <p>{detail}</p>
      {faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={fault}>{fault}</li>
          ))}
        </ul>
      )}
      {remedy !== null && (
        <p>
          <strong>Remedy:</strong> {remedy}
        </p>
      )}
      {code !== null && (
        <p class="muted">
          Problem <code>{code}</code>
        </p>
      )}
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </section>
  );
}
