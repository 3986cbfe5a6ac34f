import { effect, untracked, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

import { isPassing } from "../../client/retry.ts";
import { startTimer } from "../../core/timer.ts";
import { useConsole } from "../shell/console-context.ts";
import { CONNECTION_TOPIC } from "../live/topics.ts";
import { createLoader, type Loader, REST_MS } from "./loader.ts";

/** A value of the server, as it is now. */
export interface Resource<Value> {
  /** Undefined until it has arrived. After a failure it is the last known one. */
  readonly value: Value | undefined;
  /** Error of the last attempt; null: it succeeded, or is under way for the first time. */
  readonly error: unknown;
  readonly reload: () => void;
}

export interface ResourceOptions {
  /** Shortest time between two loads. Default: 300 ms. */
  readonly restMs?: number;
}

interface ResourceState<Value> {
  readonly key: string;
  readonly value: Value | undefined;
  readonly error: unknown;
}

/**
 * Loads a value, and again when one of the topics changes. A hidden page loads nothing until it is shown.
 *
 * @param key Names the value: another key loads another one.
 */
export function useResource<Value>(
  key: string,
  load: (signal: AbortSignal) => Promise<Value>,
  topics: readonly string[] = [],
  { restMs = REST_MS }: ResourceOptions = {},
): Resource<Value> {
  const { live, session } = useConsole();
  const state = useSignal<ResourceState<Value>>({ key, value: undefined, error: null });
  const latestLoad = useRef(load);
  latestLoad.current = load;
  const loader = useRef<Loader | null>(null);

  useEffect(() => {
    state.value = { key, value: undefined, error: null };
    const opened = createLoader<Value>({
      load: (signal) => latestLoad.current(signal),
      onValue: (value) => {
        state.value = { key, value, error: null };
      },
      onError: (error) => {
        session.note(error);
        state.value = { ...state.peek(), error };
      },
      isPassing,
      restMs,
      startTimer,
      random: Math.random,
    });
    loader.current = opened;
    const request = (): void => {
      if (!document.hidden) opened.request();
    };
    const stop = effect(() => {
      // Everything may have changed while there was no connection.
      for (const topic of [CONNECTION_TOPIC, ...topics]) void live.revision(topic).value;
      untracked(request);
    });
    document.addEventListener("visibilitychange", request);
    return () => {
      document.removeEventListener("visibilitychange", request);
      stop();
      opened.close();
    };
  }, [key, topics.join("\n")]);

  const { value, error, key: loadedKey } = state.value;
  const isCurrent = loadedKey === key;
  return {
    value: isCurrent ? value : undefined,
    error: isCurrent ? error : null,
    reload: () => loader.current?.request(),
  };
}
