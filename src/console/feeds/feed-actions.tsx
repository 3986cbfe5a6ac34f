import { useSignal } from "@preact/signals";

import { KildeError } from "../../core/errors.ts";
import type { FeedInfo } from "../../client/feed-types.ts";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { DialogButton } from "../shell/dialog-button.tsx";
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

/** Retires a version, and builds a draft again. */
export function FeedActions({ feed, dependents, onChange }: FeedActionsProps) {
  const { client } = useConsole();
  // The server refuses at first while the version is in use; the user then decides again.
  const isInUse = useSignal(false);
  const name = versionName(feed);
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
        <DialogButton
          label="Build again"
          dialog={(close) => (
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
        />
      )}
      {feed.status !== "retiring" && (
        <DialogButton
          label="Retire"
          dialog={(close) => (
            <ConfirmDialog
              title={`Retire ${name}`}
              name={name}
              needsReason={isInUse.value}
              action={isInUse.value ? "Retire although it is in use" : "Retire"}
              onConfirm={retire}
              onClose={() => {
                isInUse.value = false;
                close();
              }}
            >
              <p>
                The version is gone at once, and Kilde deletes its events. This cannot be undone.{" "}
                {isInUse.value && "Its readers get errors from then on."}
              </p>
              <h3>Still in use by</h3>
              <FeedReaders feed={feed} dependents={dependents} />
            </ConfirmDialog>
          )}
        />
      )}
    </div>
  );
}
