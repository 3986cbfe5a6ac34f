import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { faultsOf, FormFaults } from "./form-faults.ts";
import { Problem } from "./problem.tsx";
import { useAction } from "./use-action.ts";

export interface FormDialogProps {
  readonly title: string;
  /** Label of the button, a verb: `Retire`. */
  readonly action: string;
  readonly isDangerous?: boolean;
  /** Whether the fields have values that the action accepts. Default: true. */
  readonly isReady?: boolean;
  readonly children: ComponentChildren;
  /** Does it. The dialog shows the error of a rejected promise, and closes otherwise, unless the result is "stay". */
  readonly onSubmit: () => Promise<"stay" | void>;
  readonly onClose: () => void;
}

/** A dialog with fields and one action. */
export function FormDialog(props: FormDialogProps) {
  const { title, action, isDangerous = false, isReady = true, children, onSubmit, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const { isBusy, error, run } = useAction();

  useEffect(() => {
    // The browser keeps the focus inside, and returns it to the button that opened the dialog.
    dialog.current?.showModal();
  }, []);

  useEffect(() => {
    dialog.current?.querySelector<HTMLElement>("[aria-invalid]")?.focus();
  }, [error]);

  const submit = async (): Promise<void> => {
    if ((await onSubmit()) !== "stay") dialog.current?.close();
  };
  return (
    <dialog ref={dialog} aria-labelledby={titleId} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) run(submit);
        }}
      >
        <h2 id={titleId}>{title}</h2>
        <FormFaults.Provider value={faultsOf(error)}>{children}</FormFaults.Provider>
        {error !== null && <Problem error={error} />}
        <p class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={isDangerous ? "danger" : ""} disabled={!isReady || isBusy}>
            {isBusy ? "Working…" : action}
          </button>
        </p>
      </form>
    </dialog>
  );
}
