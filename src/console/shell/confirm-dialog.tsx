import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

import { Problem } from "./problem.tsx";

export interface ConfirmDialogProps {
  readonly title: string;
  /** The name that the user has to type. */
  readonly name: string;
  /** Label of the button, a verb: `Retire`. */
  readonly action: string;
  /** The consequences. */
  readonly children: ComponentChildren;
  /** Does it. The dialog shows the error of a rejected promise, and closes otherwise. */
  readonly onConfirm: (reason: string) => Promise<void>;
  readonly onClose: () => void;
}

interface FieldProps {
  readonly label: ComponentChildren;
  readonly value: string;
  readonly onInput: (value: string) => void;
  readonly isRequired: boolean;
}

function Field({ label, value, onInput, isRequired }: FieldProps) {
  const id = useId();
  return (
    <p class="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="text"
        value={value}
        required={isRequired}
        autoComplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => onInput(currentTarget.value)}
      />
    </p>
  );
}

/**
 * Asks for the name of a thing and a reason before an action that cannot be undone. The reason is recorded in the log of
 * administration.
 */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, name, action, children, onConfirm, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  const typed = useSignal("");
  const reason = useSignal("");
  const isBusy = useSignal(false);
  const error = useSignal<unknown>(null);

  useEffect(() => {
    // The browser keeps the focus inside, and returns it to the button that opened the dialog.
    dialog.current?.showModal();
  }, []);

  const confirm = async (): Promise<void> => {
    if (typed.value !== name || isBusy.value) return;
    isBusy.value = true;
    error.value = null;
    try {
      await onConfirm(reason.value);
      dialog.current?.close();
    } catch (failure) {
      error.value = failure;
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby={titleId} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        <h2 id={titleId}>{title}</h2>
        {children}
        <Field
          label={
            <>
              Type <code>{name}</code> to confirm
            </>
          }
          value={typed.value}
          onInput={(value) => {
            typed.value = value;
          }}
          isRequired
        />
        <Field
          label="Reason, for the log of administration"
          value={reason.value}
          onInput={(value) => {
            reason.value = value;
          }}
          isRequired={false}
        />
        {error.value !== null && <Problem error={error.value} />}
        <p class="actions">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="danger" disabled={typed.value !== name || isBusy.value}>
            {isBusy.value ? "Working…" : action}
          </button>
        </p>
      </form>
    </dialog>
  );
}
