import { useSignal } from "@preact/signals";

import type { Credentials, NewSubscription } from "../../client/subscription-types.ts";
import { logsOf } from "../consumers/consumed-log.ts";
import { useResource } from "../data/use-resource.ts";
import { useConsole } from "../shell/console-context.ts";
import { FormDialog } from "../shell/form-dialog.tsx";
import { Problem } from "../shell/problem.tsx";
import { ReasonField } from "../shell/reason-field.tsx";
import { SelectField } from "../shell/select-field.tsx";
import { TextField } from "../shell/text-field.tsx";

type Start = "now" | "beginning";

const STARTS: readonly (readonly [Start, string])[] = [
  ["now", "The next one that the log gets"],
  ["beginning", "The first one of the log"],
];

export interface CreateSubscriptionDialogProps {
  /** Path of the log that the page is about; empty: none. */
  readonly source: string;
  readonly onCreated: (credentials: Credentials) => void;
  readonly onClose: () => void;
}

/** Creates a subscription of a log that the sender may read. */
export function CreateSubscriptionDialog({ source, onCreated, onClose }: CreateSubscriptionDialogProps) {
  const { client, session } = useConsole();
  const { value: feeds, error } = useResource("feeds", (signal) => client.feeds.list(signal));
  const path = useSignal(source);
  const url = useSignal("");
  const description = useSignal("");
  const start = useSignal<string>("now");
  const reason = useSignal("");
  // The server lists only the feeds that the sender may read.
  const logs = logsOf(feeds ?? []).filter(
    (each) => each.path.startsWith("/feeds/") || session.may(`read:${each.path}`).value,
  );
  const log = logs.find((each) => each.path === path.value);
  const create = async (): Promise<void> => {
    if (log === undefined) return;
    const request: NewSubscription = {
      source: log.path,
      url: url.value.trim(),
      description: description.value.trim(),
      start: start.value as Start,
    };
    onCreated(await client.subscriptions.create(request, { reason: reason.value.trim() }));
  };
  return (
    <FormDialog
      title="Create a subscription"
      action="Create"
      isReady={log !== undefined && url.value.trim() !== ""}
      onSubmit={create}
      onClose={onClose}
    >
      <p>Kilde delivers each event of a log to an endpoint, and signs the requests.</p>
      {error !== null && <Problem error={error} />}
      <SelectField
        label="Log"
        member="source"
        value={log?.path ?? ""}
        choices={[["", "Choose a log"], ...logs.map((each) => [each.path, each.title] as const)]}
        onChange={(chosen) => {
          path.value = chosen;
        }}
      />
      <TextField
        label="Endpoint"
        member="url"
        type="url"
        text={url}
        placeholder="https://example.org/hook"
        isRequired
      />
      <TextField label="Description (optional)" member="description" text={description} />
      <SelectField
        label="First event"
        member="start"
        value={start.value}
        choices={STARTS}
        onChange={(chosen) => {
          start.value = chosen;
        }}
      />
      <ReasonField reason={reason} />
    </FormDialog>
  );
}
