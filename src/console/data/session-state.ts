import { type ReadonlySignal, type Signal, signal } from "@preact/signals";

import { KildeError } from "../../core/errors.ts";
import type { Client } from "../../client/client.ts";
import type { SenderInfo } from "../../client/session.ts";

/** Whether, and as whom, the browser is signed in. */
export type SessionState =
  | { readonly kind: "asking" }
  | { readonly kind: "signed-out"; readonly hasEnded: boolean }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "signed-in"; readonly sender: SenderInfo };

/** The session of the browser. */
export interface BrowserSession {
  readonly state: ReadonlySignal<SessionState>;
  /** Asks the server again. The same sender keeps its state, and gets the current answers to `may`. */
  refresh(): Promise<void>;
  /** Opens a session with the token of a key. Rejects when the server refuses it. */
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
  /** Notes the error of any request: one about missing credentials ends the session. */
  note(error: unknown): void;
  /** Whether the sender may do the thing that a grant names. False until the server has answered. */
  may(grant: string): ReadonlySignal<boolean>;
}

/** Most grants that one request may ask about. */
const MOST_ASKED = 100;

function isUnauthenticated(error: unknown): boolean {
  return error instanceof KildeError && error.code === "unauthenticated";
}

/** Names a sender: others have other grants, and see other things. Empty: nobody is signed in. */
export function identityOf(state: SessionState): string {
  if (state.kind !== "signed-in") return "";
  const { kind, name, grants, consumer } = state.sender;
  return JSON.stringify([kind, name, grants, consumer]);
}

/** Asks the server which grants the sender has, those of one moment in one request, and each once. */
function createGrants(session: Client["session"], onError: (error: unknown) => void) {
  const known = new Map<string, Signal<boolean>>();
  let asked: string[] = [];

  const askFor = async (grants: readonly string[]): Promise<void> => {
    try {
      const { may = [] } = await session.get({ may: grants });
      for (const { grant, granted } of may) {
        const answer = known.get(grant);
        if (answer !== undefined) answer.value = granted;
      }
    } catch (error) {
      if (!(error instanceof KildeError) || error.code !== "invalid-parameter") throw error;
      // A name in an address makes a grant that there cannot be, which must not hide the answers to the others.
      if (grants.length > 1) for (const grant of grants) await askFor([grant]);
    }
  };
  const ask = async (): Promise<void> => {
    const grants = asked;
    asked = [];
    for (let start = 0; start < grants.length; start += MOST_ASKED)
      await askFor(grants.slice(start, start + MOST_ASKED));
  };

  return {
    forget(): void {
      known.clear();
    },
    askAgain(): void {
      asked = [...known.keys()];
      void ask().catch(onError);
    },
    may(grant: string): ReadonlySignal<boolean> {
      const found = known.get(grant);
      if (found !== undefined) return found;
      const answer = signal(false);
      known.set(grant, answer);
      asked.push(grant);
      if (asked.length === 1) void Promise.resolve().then(ask).catch(onError);
      return answer;
    },
  };
}

export function createBrowserSession(client: Pick<Client, "session">): BrowserSession {
  const { session } = client;
  const state = signal<SessionState>({ kind: "asking" });
  const note = (error: unknown): void => {
    if (isUnauthenticated(error) && state.peek().kind === "signed-in")
      state.value = { kind: "signed-out", hasEnded: true };
  };
  const grants = createGrants(session, note);
  const enter = (sender: SenderInfo): void => {
    const entered = { kind: "signed-in", sender } as const;
    if (identityOf(entered) === identityOf(state.peek())) {
      grants.askAgain();
      return;
    }
    grants.forget();
    state.value = entered;
  };

  return {
    state,
    note,
    may: grants.may,
    async refresh() {
      try {
        enter(await session.get());
      } catch (error) {
        const { kind } = state.peek();
        if (isUnauthenticated(error)) state.value = { kind: "signed-out", hasEnded: kind === "signed-in" };
        // The views show that the server does not answer.
        else if (kind !== "signed-in") state.value = { kind: "failed", error };
      }
    },
    async signIn(token) {
      enter(await session.open(token));
    },
    async signOut() {
      await session.end();
      grants.forget();
      state.value = { kind: "signed-out", hasEnded: false };
    },
  };
}
