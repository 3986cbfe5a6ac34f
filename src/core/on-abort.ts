const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls a function when a signal aborts, unless the returned function is called first. All functions of a signal share
 * one listener: for many short operations under one signal, a listener for each would cost more than the rest of it, and
 * Node warns of more than ten.
 */
export function onAbort(signal: AbortSignal, abort: () => void): () => void {
  let calls = waiting.get(signal);
  if (calls === undefined) {
    const all = new Set<() => void>();
    signal.addEventListener("abort", () => all.forEach((call) => call()), { once: true });
    waiting.set(signal, all);
    calls = all;
  }
  const under = calls;
  under.add(abort);
  return () => under.delete(abort);
}
