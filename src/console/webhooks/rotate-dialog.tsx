import { useSignal } from "@preact/signals";

import type { Credentials } from "../../client/subscription-types.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { OverlapField, overlapSecondsOf } from "../shell/overlap-field.tsx";
import { ReasonField } from "../shell/reason-field.tsx";

export interface RotateDialogProps {
  /** Id of the subscription. */
  readonly id: string;
  readonly onRotated: (credentials: Credentials) => void;
  readonly onClose: () => void;
}

/** Replaces the secret with which deliveries are signed. */
export function RotateDialog({ id, onRotated, onClose }: RotateDialogProps) {
  const { client } = useConsole();
  const hours = useSignal("24");
  const reason = useSignal("");
  const overlapSeconds = overlapSecondsOf(hours.value);
  return (
    <FormDialog
      title="Rotate the secret"
      action="Rotate"
      isReady={overlapSeconds !== null}
      onSubmit={async () => {
        if (overlapSeconds === null) return;
        onRotated(
          await client.subscriptions.rotateSecret(id, { overlapSeconds, reason: reason.value.trim() }),
        );
      }}
      onClose={onClose}
    >
      <p>Kilde signs with a new secret at once, and with the old one as well for an overlap.</p>
      <OverlapField hours={hours} hint="Until then, give the new secret to the receiver." />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
