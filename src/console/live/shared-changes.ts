import { onAbort } from "../../core/on-abort.ts";
import type { StoreChanges } from "../../client/store-types.ts";
import type { ChangeSource } from "./change-source.ts";
import type { FedLive, LiveStatus } from "./live.ts";
import { waitForLock } from "./tab-lock.ts";

/** A message between the tabs of a browser. */
type TabMessage =
  | { readonly kind: "changes"; readonly changes: StoreChanges }
  | { readonly kind: "status"; readonly status: LiveStatus; readonly isHidden: boolean }
  /** A connection was opened: changes before it may have been missed. */
  | { readonly kind: "opened" }
  /** A new tab asks for the status. */
  | { readonly kind: "hello" };

/** The parts of a document that concern whether the user sees its tab. */
interface TabPage {
  readonly hidden: boolean;
  addEventListener(type: "visibilitychange", listener: () => void): void;
  removeEventListener(type: "visibilitychange", listener: () => void): void;
}

export interface SharedChangesOptions {
  readonly source: ChangeSource;
  readonly live: FedLive;
  /** The document of this tab. */
  readonly page: TabPage;
  /** Name that only tabs of this store have. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Called with an error that another attempt would not change, such as an ended session. */
  readonly onError: (error: unknown) => void;
}

/** The channel to the other tabs. */
interface Tabs {
  send(message: TabMessage): void;
  /** Sends the status of the connection, and whether this tab is hidden. */
  sendStatus(): void;
}

/** Follows the changes for all tabs, until the signal aborts. */
async function lead({ source, live, signal, onError }: SharedChangesOptions, tabs: Tabs): Promise<void> {
  const setStatus = (status: LiveStatus): void => {
    if (live.status.peek() === status) return;
    live.setStatus(status);
    tabs.sendStatus();
  };
  const onOpen = (): void => {
    setStatus("live");
    live.changeAll();
    tabs.send({ kind: "opened" });
  };
  try {
    for await (const changes of source({ signal, onOpen, onLost: () => setStatus("offline") })) {
      live.apply(changes);
      tabs.send({ kind: "changes", changes });
    }
  } catch (error) {
    if (signal.aborted) return;
    setStatus("ended");
    onError(error);
  }
}

/**
 * Feeds `live` from one connection that all tabs of a browser share: browsers allow six connections to a host. One tab holds
 * a lock and follows the changes; when it is closed, another one gets the lock.
 *
 * Browsers delay the timers of a hidden tab, so that it would try a lost connection again up to a minute late. A tab that is
 * shown therefore takes the lock from it, or tries again at once if it holds the lock itself.
 */
export function shareChanges(options: SharedChangesOptions): void {
  const { live, page, name, signal } = options;
  const channel = new BroadcastChannel(name);
  live.setStatus("connecting");
  const isOffline = (): boolean => live.status.peek() === "offline";
  const tabs: Tabs = {
    send(message) {
      if (!signal.aborted) channel.postMessage(message);
    },
    sendStatus() {
      tabs.send({ kind: "status", status: live.status.peek(), isHidden: page.hidden });
    },
  };

  /** Ends the attempt of this tab to follow the changes, so that the next one begins; null: another tab leads. */
  let attempt: AbortController | null = null;
  const work = async (held: AbortSignal): Promise<void> => {
    let current: AbortController;
    do {
      current = new AbortController();
      attempt = current;
      const forget = onAbort(held, () => current.abort());
      if (isOffline()) tabs.sendStatus();
      await lead({ ...options, signal: current.signal }, tabs);
      forget();
    } while (current.signal.aborted && !held.aborted);
    if (attempt === current) attempt = null;
  };
  // Pages that were loaded without TLS from another machine have no locks: each follows the changes alone.
  const { locks } = navigator as { readonly locks?: LockManager };
  if (locks === undefined) void work(signal);
  else tabs.send({ kind: "hello" });
  const lock = locks === undefined ? null : waitForLock({ locks, name, signal, work });

  let isLeaderHidden = false;
  const takeOver = (): void => {
    if (attempt !== null || page.hidden || !isLeaderHidden || !isOffline()) return;
    isLeaderHidden = false;
    lock?.take();
  };
  const onVisibility = (): void => {
    takeOver();
    if (attempt === null) return;
    tabs.sendStatus();
    if (!page.hidden && isOffline()) attempt.abort();
  };
  channel.addEventListener("message", ({ data }: MessageEvent<TabMessage>) => {
    if (data.kind === "changes") live.apply(data.changes);
    else if (data.kind === "status") {
      live.setStatus(data.status);
      isLeaderHidden = data.isHidden;
      takeOver();
    } else if (data.kind === "opened") {
      // A tab that was opened without a leader has no status yet, and the status of a new leader may be the same as before.
      live.setStatus("live");
      live.changeAll();
    } else if (attempt !== null) tabs.sendStatus();
  });
  page.addEventListener("visibilitychange", onVisibility);
  signal.addEventListener("abort", () => {
    page.removeEventListener("visibilitychange", onVisibility);
    channel.close();
  });
}
