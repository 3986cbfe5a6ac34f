import { type Signal, useSignal } from "@preact/signals";

import type { Redelivery, Subscription } from "../../client/subscription-types.ts";
import { formatCounted } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { NameField } from "../shell/name-field.tsx";
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

/** The fields of the range. */
function RangeFields({ after, upTo, subjects }: Readonly<Record<keyof RewindFields, Signal<string>>>) {
  return (
    <>
      <TextField label="After position" type="number" text={after} hint="Empty: from the beginning" />
      <TextField label="Up to position" type="number" text={upTo} hint="Empty: all that is delivered" />
      <TextField label="Only these subjects" isLong text={subjects} hint="One in each line; empty: all" />
    </>
  );
}

/** Delivers events again: first counts them, then asks for confirmation. All events need the id of the subscription. */
export function RewindDialog({ subscription: { subscription: id }, onClose }: RewindDialogProps) {
  const { client } = useConsole();
  const fields = { after: useSignal(""), upTo: useSignal(""), subjects: useSignal("") };
  const { after, upTo, subjects } = fields;
  const counted = useSignal<{ readonly key: string; readonly redelivery: Redelivery } | null>(null);
  const typed = useSignal("");
  const reason = useSignal("");
  const range = rewindRange({ after: after.value, upTo: upTo.value, subjects: subjects.value });
  const key = JSON.stringify(range);
  // Another range has to be counted again.
  const count = counted.value?.key === key ? counted.value.redelivery : null;
  const needsName = range !== null && isEverything(range);
  const isConfirmed = !needsName || typed.value === id;
  const submit = async (): Promise<"stay" | void> => {
    if (count !== null) {
      await client.subscriptions.rewind(id, { ...range, reason: reason.value.trim() });
      return;
    }
    counted.value = { key, redelivery: await client.subscriptions.rewind(id, { ...range, dryRun: true }) };
    return "stay";
  };
  return (
    <FormDialog
      title="Deliver events again"
      action={count === null ? "Count the events" : `Deliver ${formatCounted(count.events, "event")} again`}
      isDangerous={count !== null}
      isReady={range !== null && (count === null || (count.events > 0 && isConfirmed))}
      onSubmit={submit}
      onClose={onClose}
    >
      <p>The endpoint gets them in order for each subject, while deliveries of new events continue.</p>
      <RangeFields {...fields} />
      <div role="status">
        {count !== null && (
          <p class={count.events === 0 ? "" : "warning"}>
            {needsName && "All events: "}
            {countText(count)} would be delivered again.
          </p>
        )}
      </div>
      {count !== null && count.events > 0 && (
        <>
          {needsName && <NameField name={id} typed={typed} />}
          <ReasonField reason={reason} />
        </>
      )}
    </FormDialog>
  );
}
