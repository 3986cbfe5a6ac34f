import { useSignal } from "@preact/signals";

import type { ApiKey, IssuedApiKey } from "../../client/key-types.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { OverlapField, overlapSecondsOf } from "../shell/overlap-field.tsx";
import { ReasonField } from "../shell/reason-field.tsx";

export interface RotateKeyDialogProps {
  readonly info: ApiKey;
  readonly onRotated: (key: IssuedApiKey) => void;
  readonly onClose: () => void;
}

/** Replaces a key by one with the same name, grants, and consumer. */
export function RotateKeyDialog({ info: { key, name }, onRotated, onClose }: RotateKeyDialogProps) {
  const { client } = useConsole();
  const hours = useSignal("24");
  const reason = useSignal("");
  const overlapSeconds = overlapSecondsOf(hours.value);
  return (
    <FormDialog
      title={`Rotate ${name}`}
      action="Rotate"
      isReady={overlapSeconds !== null}
      onSubmit={async () => {
        if (overlapSeconds === null) return;
        onRotated(await client.keys.rotate(key, { overlapSeconds, reason: reason.value.trim() }));
      }}
      onClose={onClose}
    >
      <p>A new key with the same name, grants and consumer replaces it. The old one ends after an overlap.</p>
      <OverlapField hours={hours} hint="Until then, give the new token to the service." />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
