import { useSignal } from "@preact/signals";

import type { Redelivery, Subscription } from "../../client/subscription-types.ts";
import { formatCounted } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { ReasonField } from "../shell/reason-field.tsx";
import { TextField } from "../shell/text-field.tsx";
import { isEverything, type RewindFields, rewindRange } from "./rewind-range.ts";

export interface RewindDialogProps {
  readonly subscription: Subscription;
  readonly onClose: () => void;
}

function countText({ events, subjects }: Redelivery): string {
  return `${formatCounted(events, "event")} of ${formatCounted(subjects, "subject")}`;
}

/** Delivers events again: first counts them, then asks for confirmation. All events need the id of the subscription. */
export function RewindDialog({ subscription: { subscription: id }, onClose }: RewindDialogProps) {
  const { client } = useConsole();
  const fields = useSignal<RewindFields>({ after: "", upTo: "", subjects: "" });
  const counted = useSignal<Redelivery | null>(null);
  const typed = useSignal("");
  const reason = useSignal("");
  const range = rewindRange(fields.value);
  const needsName = range !== null && isEverything(range);
  const set = (name: keyof RewindFields) => (value: string) => {
    fields.value = { ...fields.value, [name]: value };
    counted.value = null;
  };
  const count = counted.value;
  const isReady =
    range !== null && (count === null || (count.events > 0 && (!needsName || typed.value === id)));
  return (
    <FormDialog
      title="Deliver events again"
      action={count === null ? "Count the events" : `Deliver ${formatCounted(count.events, "event")} again`}
      isDangerous={count !== null}
      isReady={isReady}
      onSubmit={async () => {
        if (range === null) return "stay";
        if (count === null) {
          counted.value = await client.subscriptions.rewind(id, { ...range, dryRun: true });
          return "stay";
        }
        await client.subscriptions.rewind(id, { ...range, reason: reason.value.trim() });
        return undefined;
      }}
      onClose={onClose}
    >
      <p>The endpoint gets them in order for each subject, while deliveries of new events continue.</p>
      <TextField
        label="After position"
        type="number"
        value={fields.value.after}
        onInput={set("after")}
        hint="Empty: from the beginning"
      />
      <TextField
        label="Up to position"
        type="number"
        value={fields.value.upTo}
        onInput={set("upTo")}
        hint="Empty: all that is delivered"
      />
      <TextField
        label="Only these subjects"
        isLong
        value={fields.value.subjects}
        onInput={set("subjects")}
        hint="One in each line; empty: all"
      />
      <div role="status">
        {count !== null && (
          <p class={count.events === 0 ? "" : "warning"}>{countText(count)} would be delivered again.</p>
        )}
      </div>
      {count !== null && count.events > 0 && (
        <>
          {needsName && (
            <TextField
              label={
                <>
                  These are all events. Type <code>{id}</code> to confirm
                </>
              }
              value={typed.value}
              onInput={(value) => {
                typed.value = value;
              }}
              isRequired
            />
          )}
          <ReasonField reason={reason} />
        </>
      )}
    </FormDialog>
  );
}
