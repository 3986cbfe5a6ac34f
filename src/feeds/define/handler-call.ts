import { errorText } from "../../core/error-text.ts";
import type { SourceEvent } from "./define.ts";
import { ProjectionError } from "../feed.ts";
import { guarded } from "./purity.ts";

/** One handler of one feed, by the name a person finds it under: `publish.Paid of the feed declarations/v2`. */
export type Handler = (event: SourceEvent, ...more: unknown[]) => unknown;

/** The messages of the supported engines for an assignment to a frozen object. */
const FROZEN =
  /read.?only|not extensible|non-extensible|frozen|delete property|non-configurable|unconfigurable/i;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function thrown(label: string, subject: string, { position }: SourceEvent, error: unknown): ProjectionError {
  const message = errorText(error);
  const changed =
    error instanceof TypeError && FROZEN.test(message)
      ? ": it changed the event or the state, which are frozen; return a new value instead, such as { ...state, count: state.count + 1 }"
      : "";
  return new ProjectionError(`${label} threw${changed}: ${message}`, { position, subject }, [], {
    cause: error,
  });
}

/**
 * Wraps a handler: an error that it throws, a promise that it returns, and (if `strict`) a read of the clock,
 * of chance or of the environment become a ProjectionError.
 */
export function handlerCall(
  label: string,
  handler: Handler,
  strict: boolean,
): (subject: string, event: SourceEvent, ...more: unknown[]) => unknown {
  return (subject, event, ...more) => {
    let result: unknown;
    try {
      if (strict) {
        const outcome = guarded(() => handler(event, ...more));
        if ("impurity" in outcome) {
          const { what, remedy } = outcome.impurity;
          throw new ProjectionError(`${label} used ${what}: ${remedy}`, {
            position: event.position,
            subject,
          });
        }
        ({ result } = outcome);
      } else result = handler(event, ...more);
    } catch (error) {
      throw error instanceof ProjectionError ? error : thrown(label, subject, event, error);
    }
    if (isThenable(result)) {
      // Its outcome no longer matters, and a rejection must not end the process.
      result.then(undefined, () => {});
      throw new ProjectionError(
        `${label} is asynchronous: a projection must give its result at once, from the event and the state alone`,
        { position: event.position, subject },
      );
    }
    return result;
  };
}
