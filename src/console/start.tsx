import { computed, effect, signal } from "@preact/signals";
import { render } from "preact";

import { clientOf, requestDepsOf } from "../client/client.ts";
import { startTimer } from "../core/timer.ts";
import { parseExact } from "./data/exact-json.ts";
import { createBrowserSession, identityOf } from "./data/session-state.ts";
import { shareSession } from "./data/shared-session.ts";
import { commandsAt } from "./format/commands.ts";
import { changeSourceOf } from "./live/change-source.ts";
import { createFedLive } from "./live/live.ts";
import { CONNECTION_TOPIC } from "./live/topics.ts";
import { shareChanges } from "./live/shared-changes.ts";
import { ConsoleContext, type ConsoleParts } from "./shell/console-context.ts";
import { createRouter } from "./shell/router.ts";
import { Shell } from "./shell/shell.tsx";

const SECOND_MS = 1_000;

const { base: basePath = "", provider, environment = "" } = document.body.dataset;
const url = location.origin + basePath;
// Views try again themselves, and show the error meanwhile.
const deps = requestDepsOf({ url, retry: { attempts: 2, maxRetryAfterMs: 1_000 } });
const client = clientOf({ ...deps, parseJson: parseExact });
const session = createBrowserSession(client);
const live = createFedLive();
const nowMs = signal(Date.now());

function tick(): void {
  if (!document.hidden) nowMs.value = Date.now();
  startTimer(SECOND_MS, tick);
}
tick();

shareSession({ session, name: `kilde-session${basePath}` });
const identity = computed(() => identityOf(session.state.value));
// Each sender has a connection: another one may follow other logs.
effect(() => {
  if (identity.value === "") return undefined;
  const controller = new AbortController();
  shareChanges({
    source: changeSourceOf(url),
    live,
    page: document,
    name: `kilde-changes${basePath}`,
    signal: controller.signal,
    onError: (error) => session.note(error),
  });
  return () => controller.abort();
});

effect(() => {
  // The sender or its grants may have changed while there was no connection.
  if (live.revision(CONNECTION_TOPIC).value > 0) void session.refresh();
});

const parts: ConsoleParts = {
  client,
  router: createRouter(window, `${basePath}/console`),
  commands: commandsAt(url),
  session,
  live,
  nowMs,
  basePath,
  hasProvider: provider === "openid",
  environment: environment === "" ? null : environment,
};

const root = document.querySelector("#console");
if (root !== null) {
  render(
    <ConsoleContext.Provider value={parts}>
      <Shell />
    </ConsoleContext.Provider>,
    root,
  );
}
