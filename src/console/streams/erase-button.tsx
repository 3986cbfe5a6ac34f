import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { DialogButton } from "../shell/dialog-button.tsx";

export interface EraseButtonProps {
  readonly stream: string;
  /** The stream's version that the user sees: the erasure is refused if there are later events. */
  readonly version: number;
  readonly onErased: () => void;
}

/** Erases a stream after its name is typed. The reason is kept in place of the events. */
export function EraseButton({ stream, version, onErased }: EraseButtonProps) {
  const { client } = useConsole();
  return (
    <DialogButton
      label="Erase"
      dialog={(close) => (
        <ConfirmDialog
          title={`Erase ${stream}`}
          name={stream}
          action="Erase"
          needsReason
          onConfirm={async (reason) => {
            await client.erase(stream, reason, { version });
            onErased();
          }}
          onClose={close}
        >
          <p>
            Kilde deletes all events of this stream, and everything that feeds published from them. Nothing
            brings them back. A tombstone with the reason stays, and readers of the stream and the feeds get
            it.
          </p>
        </ConfirmDialog>
      )}
    />
  );
}
