import { onAbort } from "../core/on-abort.ts";
import type { TraceContext } from "../core/trace-context.ts";
import type { AppendOptions, Appended } from "./types.ts";

/** An append that the client can repeat. */
export interface KeyedAppend {
  readonly stream: string;
  /** Of `POST /streams/{stream}`. */
  readonly path: string;
  /** JSON text of the body of `POST /streams/{stream}`, as the events were when the caller appended them. */
  readonly body: string;
  /** The trace that the events continue; null: none. */
  readonly trace: TraceContext | null;
  readonly options: AppendOptions & {
    readonly idempotencyKey: string;
    readonly logIdentity: string | null;
  };
}

/** An append whose caller waits. */
export interface IssuedAppend extends KeyedAppend {
  /** Whether the caller has a result or an error. */
  readonly isSettled: () => boolean;
  /** Settles the append. Nothing happens when it is settled. */
  readonly resolve: (result: Appended) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Creates an issued append, and calls `onSettled` when it has a result or an error. The caller's signal rejects it, also
 * while other appends of its request continue.
 */
export function createIssuedAppend(
  append: KeyedAppend,
  settlers: Pick<IssuedAppend, "resolve" | "reject">,
  onSettled: (append: IssuedAppend) => void,
): IssuedAppend {
  const { signal } = append.options;
  let isSettled = false;
  const settle = (use: () => void) => {
    if (isSettled) return;
    isSettled = true;
    forget?.();
    use();
    onSettled(issued);
  };
  const forget = signal && onAbort(signal, () => settle(() => settlers.reject(signal.reason)));
  const issued: IssuedAppend = {
    ...append,
    isSettled: () => isSettled,
    resolve: (result) => settle(() => settlers.resolve(result)),
    reject: (error) => settle(() => settlers.reject(error)),
  };
  return issued;
}
