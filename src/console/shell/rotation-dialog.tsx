import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";

import { FormDialog } from "./form-dialog.tsx";
import { OverlapField, overlapSecondsOf } from "./overlap-field.tsx";
import { ReasonField } from "./reason-field.tsx";

export interface RotationDialogProps {
  readonly title: string;
  /** The step that the user takes during the overlap. */
  readonly hint: string;
  /** The consequences. */
  readonly children: ComponentChildren;
  readonly onRotate: (rotation: {
    readonly overlapSeconds: number;
    readonly reason: string;
  }) => Promise<void>;
  readonly onClose: () => void;
}

/** Replaces a secret by a new one, which is valid beside it for an overlap. */
export function RotationDialog({ title, hint, children, onRotate, onClose }: RotationDialogProps) {
  const hours = useSignal("24");
  const reason = useSignal("");
  const overlapSeconds = overlapSecondsOf(hours.value);
  return (
    <FormDialog
      title={title}
      action="Rotate"
      isReady={overlapSeconds !== null}
      onSubmit={async () => {
        if (overlapSeconds !== null) await onRotate({ overlapSeconds, reason: reason.value.trim() });
      }}
      onClose={onClose}
    >
      {children}
      <OverlapField hours={hours} hint={hint} />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
