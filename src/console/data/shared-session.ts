import { effect } from "@preact/signals";

import { type BrowserSession, identityOf } from "./session-state.ts";

export interface SharedSessionOptions {
  readonly session: Pick<BrowserSession, "state" | "refresh">;
  /** Name that only tabs of this store have. */
  readonly name: string;
}

/**
 * Has each tab ask the server again when another one signed in or out: they share one cookie, so that a tab would otherwise
 * show one person, and act as another.
 *
 * @returns Ends the sharing.
 */
export function shareSession({ session, name }: SharedSessionOptions): () => void {
  const channel = new BroadcastChannel(name);
  channel.addEventListener("message", ({ data }: MessageEvent<string>) => {
    if (data !== identityOf(session.state.peek())) void session.refresh();
  });
  const stop = effect(() => {
    const state = session.state.value;
    if (state.kind === "signed-in" || state.kind === "signed-out") channel.postMessage(identityOf(state));
  });
  return () => {
    stop();
    channel.close();
  };
}
