import type { ReadonlySignal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Client } from "../../client/client.ts";
import type { Commands } from "../format/commands.ts";
import type { BrowserSession } from "../data/session-state.ts";
import type { Live } from "../live/live.ts";
import type { Router } from "./router.ts";

/** The parts that all views share. */
export interface ConsoleParts {
  readonly client: Client;
  readonly router: Router;
  /** Commands to copy, for the server of the page. */
  readonly commands: Commands;
  readonly session: BrowserSession;
  readonly live: Live;
  /** The time, in milliseconds since 1970, to the second. */
  readonly nowMs: ReadonlySignal<number>;
  /** Path of the store, before the paths of the API; empty at the root. */
  readonly basePath: string;
  /** Whether people may sign in with an OpenID provider. */
  readonly hasProvider: boolean;
  /** Name of the environment; null: it has none. */
  readonly environment: string | null;
}

export const ConsoleContext = createContext<ConsoleParts | null>(null);

export function useConsole(): ConsoleParts {
  const parts = useContext(ConsoleContext);
  if (parts === null) throw new Error("A view is shown outside of the console");
  return parts;
}
