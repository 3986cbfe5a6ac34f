import { useSignal } from "@preact/signals";

import { KildeError } from "../../core/errors.ts";
import type { FeedInfo } from "../../client/feed-types.ts";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { FeedReaders } from "./feed-readers.tsx";
import { versionName } from "./feed-groups.ts";

export interface FeedActionsProps {
  readonly feed: FeedInfo;
  /** Versions that are projected from it. */
  readonly dependents: readonly FeedInfo[];
  /** Called after a change. */
  readonly onChange: () => void;
}

type OpenDialog = "none" | "retire" | "rebuild";

/** Retires a version, and builds a draft again. */
export function FeedActions({ feed, dependents, onChange }: FeedActionsProps) {
  const { client } = useConsole();
  const open = useSignal<OpenDialog>("none");
  // The server refuses at first while the version is in use; the user then decides again.
  const isInUse = useSignal(false);
  const name = versionName(feed);
  const close = (): void => {
    open.value = "none";
    isInUse.value = false;
  };
  const retire = async (reason: string): Promise<void> => {
    try {
      await client.feeds.retire(name, { force: isInUse.value, reason });
      onChange();
    } catch (error) {
      isInUse.value = error instanceof KildeError && error.code === "feed-in-use";
      throw error;
    }
  };
  const rebuild = async (reason: string): Promise<void> => {
    await client.feeds.rebuild(name, { reason });
    onChange();
  };
  return (
    <div class="actions">
      {feed.draft && (
        <button
          type="button"
          onClick={() => {
            open.value = "rebuild";
          }}
        >
          Build again…
        </button>
      )}
      {feed.status !== "retiring" && (
        <button
          type="button"
          onClick={() => {
            open.value = "retire";
          }}
        >
          Retire…
        </button>
      )}
      {open.value === "retire" && (
        <ConfirmDialog
          title={`Retire ${name}`}
          name={name}
          needsReason={isInUse.value}
          action={isInUse.value ? "Retire although it is in use" : "Retire"}
          onConfirm={retire}
          onClose={close}
        >
          <p>
            The version is gone at once, and Kilde deletes its events. This cannot be undone.{" "}
            {isInUse.value && "Its readers get errors from then on."}
          </p>
          <h3>Still in use by</h3>
          <FeedReaders feed={feed} dependents={dependents} />
        </ConfirmDialog>
      )}
      {open.value === "rebuild" && (
        <ConfirmDialog
          title={`Build ${name} again`}
          name={name}
          action="Build again"
          onConfirm={rebuild}
          onClose={close}
        >
          <p>Kilde empties the draft and projects all events of its source again.</p>
        </ConfirmDialog>
      )}
    </div>
  );
}
