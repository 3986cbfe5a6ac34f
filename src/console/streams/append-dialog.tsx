import { useSignal } from "@preact/signals";

import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { TextField } from "../shell/text-field.tsx";
import { readDraft } from "./new-event.ts";

export interface AppendDialogProps {
  readonly stream: string;
  /** The stream's version that the user sees: the append is refused if there are later events. */
  readonly version: number;
  readonly onAppended: () => void;
  readonly onClose: () => void;
}

/** Asks for an event, and appends it to a stream. */
export function AppendDialog({ stream, version, onAppended, onClose }: AppendDialogProps) {
  const { client } = useConsole();
  const type = useSignal("");
  const data = useSignal("");
  const metadata = useSignal("");
  const read = readDraft({ type: type.value, data: data.value, metadata: metadata.value });
  const isTouched = type.value !== "";
  const append = async (): Promise<void> => {
    if ("fault" in read) return;
    await client.append(stream, read.event, { expectedVersion: version });
    onAppended();
  };
  return (
    <FormDialog
      title="Append an event"
      action="Append"
      isReady={"event" in read}
      onSubmit={append}
      onClose={onClose}
    >
      <p>
        To <bdi>{stream}</bdi>, if it is still at version {version}.
      </p>
      <TextField label="Type" placeholder="UserRegistered" text={type} isRequired />
      <TextField label="Data, as JSON" placeholder='{"name":"Ida"}' text={data} isLong />
      <TextField
        label="Metadata, as JSON (optional)"
        placeholder='{"correlationId":"…","causationId":"…"}'
        text={metadata}
        isLong
      />
      <p role="status" class="fault">
        {isTouched && "fault" in read ? read.fault : ""}
      </p>
    </FormDialog>
  );
}
