import { useSignal } from "@preact/signals";

import type { Credentials } from "../../client/subscription-types.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { ReasonField } from "../shell/reason-field.tsx";
import { TextField } from "../shell/text-field.tsx";

const HOUR_SECONDS = 3_600;

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
  return (
    <FormDialog
      title="Rotate the secret"
      action="Rotate"
      isReady={hours.value !== "" && Number(hours.value) >= 0}
      onSubmit={async () => {
        const overlapSeconds = Math.round(Number(hours.value) * HOUR_SECONDS);
        onRotated(
          await client.subscriptions.rotateSecret(id, { overlapSeconds, reason: reason.value.trim() }),
        );
      }}
      onClose={onClose}
    >
      <p>Kilde signs with a new secret at once, and with the old one as well for an overlap.</p>
      <TextField
        label="Overlap in hours"
        type="number"
        text={hours}
        hint="Until then, give the new secret to the receiver."
        isRequired
      />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
