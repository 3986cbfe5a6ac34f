import type { StoreChanges } from "../../client/store-types.ts";
import type { ChangeSource } from "./change-source.ts";
import type { FedLive, LiveStatus } from "./live.ts";

/** A message between the tabs of a browser. */
type TabMessage =
  | { readonly kind: "changes"; readonly changes: StoreChanges }
  | { readonly kind: "status"; readonly status: LiveStatus }
  /** A connection was opened: changes before it may have been missed. */
  | { readonly kind: "opened" }
  /** A new tab asks for the status. */
  | { readonly kind: "hello" };

export interface SharedChangesOptions {
  readonly source: ChangeSource;
  readonly live: FedLive;
  /** Name that only tabs of this store have. */
  readonly name: string;
  readonly signal: AbortSignal;
  /** Called with an error that another attempt would not change, such as an ended session. */
  readonly onError: (error: unknown) => void;
}

/** The channel to the other tabs. */
interface Tabs {
  send(message: TabMessage): void;
}

/** Follows the changes for all tabs, until the signal aborts. */
async function lead({ source, live, signal, onError }: SharedChangesOptions, tabs: Tabs): Promise<void> {
  const setStatus = (status: LiveStatus): void => {
    if (live.status.peek() === status) return;
    live.setStatus(status);
    tabs.send({ kind: "status", status });
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
 */
export function shareChanges(options: SharedChangesOptions): void {
  const { live, name, signal } = options;
  const channel = new BroadcastChannel(name);
  live.setStatus("connecting");
  signal.addEventListener("abort", () => channel.close());
  let isLeader = false;
  const tabs: Tabs = {
    send(message) {
      if (!signal.aborted) channel.postMessage(message);
    },
  };
  channel.addEventListener("message", ({ data }: MessageEvent<TabMessage>) => {
    if (data.kind === "changes") live.apply(data.changes);
    else if (data.kind === "status") live.setStatus(data.status);
    else if (data.kind === "opened") {
      // A tab that was opened without a leader has no status yet, and the status of a new leader may be the same as before.
      live.setStatus("live");
      live.changeAll();
    } else if (isLeader) tabs.send({ kind: "status", status: live.status.peek() });
  });
  const run = (): Promise<void> => {
    isLeader = true;
    return lead(options, tabs);
  };
  // Pages that were loaded without TLS from another machine have no locks: each follows the changes alone.
  const { locks } = navigator as { readonly locks?: LockManager };
  if (locks === undefined) {
    void run();
    return;
  }
  tabs.send({ kind: "hello" });
  // An abort rejects the request of a tab that still waits for the lock.
  locks.request(name, { signal }, run).catch(() => {});
}
