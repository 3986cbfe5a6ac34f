import { useSignal } from "@preact/signals";

import type { IssuedApiKey } from "../../client/key-types.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { ReasonField } from "../shell/reason-field.tsx";
import { TextField } from "../shell/text-field.tsx";
import { expiryOf, grantsOf } from "./key-fields.ts";

export interface CreateKeyDialogProps {
  readonly onCreated: (key: IssuedApiKey) => void;
  readonly onClose: () => void;
}

/** Creates a key. */
export function CreateKeyDialog({ onCreated, onClose }: CreateKeyDialogProps) {
  const { client } = useConsole();
  const name = useSignal("");
  const grants = useSignal("");
  const consumer = useSignal("");
  const expires = useSignal("");
  const reason = useSignal("");
  return (
    <FormDialog
      title="Create a key"
      action="Create"
      isReady={name.value.trim() !== "" && grantsOf(grants.value).length > 0}
      onSubmit={async () => {
        const key = {
          name: name.value.trim(),
          grants: grantsOf(grants.value),
          consumer: consumer.value === "" ? null : consumer.value,
          expires: expiryOf(expires.value),
        };
        onCreated(await client.keys.create(key, { reason: reason.value.trim() }));
      }}
      onClose={onClose}
    >
      <TextField
        label="Name"
        member="name"
        text={name}
        placeholder="cards"
        hint="Of the service or person that uses it"
        isRequired
      />
      <TextField
        label="Grants, one in each line"
        member="grants"
        text={grants}
        placeholder={"read:/feeds/declarations\nappend:/streams/order-*"}
        hint={
          <>
            A verb (<code>read</code>, <code>append</code>, <code>erase</code>, <code>manage</code>) and a
            path, or <code>admin</code>
          </>
        }
        isLong
        isRequired
      />
      <TextField
        label="Consumer (optional)"
        member="consumer"
        text={consumer}
        hint="The consumer that it reads and commits as"
      />
      <TextField
        label="Ends (optional)"
        member="expires"
        type="datetime-local"
        text={expires}
        hint="In your time zone; empty: never"
      />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
