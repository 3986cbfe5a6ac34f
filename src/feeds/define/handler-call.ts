import { errorText } from "../../core/error-text.ts";
import type { SourceEvent } from "./define.ts";
import { ProjectionError } from "../feed.ts";
import { guarded } from "./purity.ts";

/** One handler of one feed, by the name a person finds it under: `publish.Paid of the feed declarations/v2`. */
export type Handler = (event: SourceEvent, ...more: unknown[]) => unknown;

/** How the engines we run on word an assignment to what is frozen. */
const FROZEN =
  /read.?only|not extensible|non-extensible|frozen|delete property|non-configurable|unconfigurable/i;

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function thrown(label: string, subject: string, { position }: SourceEvent, error: unknown): ProjectionError {
  const said = errorText(error);
  const changed =
    error instanceof TypeError && FROZEN.test(said)
      ? ": it changed the event or the state, which are frozen; return a new value instead, such as { ...state, count: state.count + 1 }"
      : "";
  return new ProjectionError(`${label} threw${changed}: ${said}`, { position, subject }, [], {
    cause: error,
  });
}

/**
 * A handler as it is to be called: what it throws, a promise it returns, and (if `strict`) a look at the clock,
 * at chance or at the world become a ProjectionError.
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
      // What becomes of it is nobody's business any more, and must not end the process.
      result.then(undefined, () => {});
      throw new ProjectionError(
        `${label} is asynchronous: a projection must give its result at once, from the event and the state alone`,
        { position: event.position, subject },
      );
    }
    return result;
  };
}
