import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import { FormDialog } from "./form-dialog.tsx";
import { ReasonField } from "./reason-field.tsx";
import { NameField } from "./name-field.tsx";

export interface ConfirmDialogProps {
  readonly title: string;
  /** The name that the user has to type. */
  readonly name: string;
  /** Label of the button, a verb: `Retire`. */
  readonly action: string;
  /** The consequences. */
  readonly children: ComponentChildren;
  /** Whether the action needs a reason. Default: false. */
  readonly needsReason?: boolean;
  /** Does it. The dialog shows the error of a rejected promise, and closes otherwise. */
  readonly onConfirm: (reason: string) => Promise<void>;
  readonly onClose: () => void;
}

/**
 * Asks for the name of a thing and a reason before an action that cannot be undone. The reason is recorded in the log of
 * administration.
 */
export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, name, action, children, needsReason = false, onConfirm, onClose } = props;
  const typed = useSignal("");
  const reason = useSignal("");
  return (
    <FormDialog
      title={title}
      action={action}
      isDangerous
      isReady={typed.value === name && (!needsReason || reason.value.trim() !== "")}
      onSubmit={() => onConfirm(reason.value.trim())}
      onClose={onClose}
    >
      {children}
      <NameField name={name} typed={typed} />
      <ReasonField reason={reason} isRequired={needsReason} />
    </FormDialog>
  );
}
