import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

export interface DialogButtonProps {
  readonly label: string;
  /** Names the thing as well, where several buttons have one label. */
  readonly description?: string;
  /** The dialog, which calls `close` when it ends. */
  readonly dialog: (close: () => void) => ComponentChildren;
}

/** A button that opens a dialog. */
export function DialogButton({ label, description, dialog }: DialogButtonProps) {
  const isOpen = useSignal(false);
  const setOpen = (value: boolean) => () => {
    isOpen.value = value;
  };
  return (
    <>
      <button type="button" aria-label={description} aria-haspopup="dialog" onClick={setOpen(true)}>
        {label}…
      </button>
      {isOpen.value && dialog(setOpen(false))}
    </>
  );
}
