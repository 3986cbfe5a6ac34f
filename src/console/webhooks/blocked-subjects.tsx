import { useSignal } from "@preact/signals";

import type { BlockedDelivery, Subscription } from "../../client/subscription-types.ts";
import { takePage } from "../data/take-page.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { formatUntil } from "../format/times.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { DialogButton } from "../shell/dialog-button.tsx";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import { useAction } from "../shell/use-action.ts";

const PAGE_SIZE = 20;

interface BlockedRowProps {
  readonly id: string;
  readonly delivery: BlockedDelivery;
  readonly onChange: () => void;
}

function BlockedRow({ id, delivery, onChange }: BlockedRowProps) {
  const { client, router, nowMs } = useConsole();
  const { subject, sequence, attempts, error: fault, since, nextAttempt } = delivery;
  const { run, isBusy, error } = useAction();
  const isRetried = useSignal(false);
  const retry = async (): Promise<void> => {
    await client.subscriptions.retry(id, subject);
    isRetried.value = true;
    onChange();
  };
  return (
    <tr>
      <th scope="row">
        <a href={router.href("subject", { name: subject })}>
          <bdi>{subject}</bdi>
        </a>
        <div class="muted">version {formatCount(Number(sequence))}</div>
      </th>
      <td>
        {fault}
        <div class="muted">
          <Time time={since} />
        </div>
      </td>
      <td>
        {formatCount(attempts)}
        <div class="muted">
          {nextAttempt === null
            ? "waits for a retry or skip"
            : `next ${formatUntil(nextAttempt, nowMs.value)}`}
        </div>
      </td>
      <td>
        <div class="actions">
          <button type="button" disabled={isBusy} aria-label={`Retry ${subject}`} onClick={() => run(retry)}>
            Retry
          </button>
          <DialogButton
            label="Skip"
            description={`Skip the event of ${subject}`}
            dialog={(close) => (
              <ConfirmDialog
                title={`Skip an event of ${subject}`}
                name={subject}
                action="Skip"
                onConfirm={async (reason) => {
                  await client.subscriptions.skip(id, subject, { sequence, reason });
                  onChange();
                }}
                onClose={close}
              >
                <p>
                  The endpoint never gets version {formatCount(Number(sequence))} of this subject, unless you
                  deliver it again. Its later events follow.
                </p>
              </ConfirmDialog>
            )}
          />
          <span role="status">{isRetried.value && !isBusy ? "Tried" : ""}</span>
        </div>
        {error !== null && <Problem error={error} />}
      </td>
    </tr>
  );
}

export interface BlockedSubjectsProps {
  readonly subscription: Subscription;
  /** Name of the subject before the first shown one; empty: from the beginning. */
  readonly after: string;
}

/** Subjects with an event that the endpoint did not accept; others continue. */
export function BlockedSubjects({
  subscription: { subscription: id, blocked },
  after,
}: BlockedSubjectsProps) {
  const { client, router } = useConsole();
  const { value, error, reload } = useResource(
    `${id}\n${after}`,
    (signal) => {
      const part = { pageSize: PAGE_SIZE + 1, signal, ...(after === "" ? {} : { after }) };
      return takePage(client.subscriptions.blocked(id, part), PAGE_SIZE);
    },
    [SUBSCRIPTIONS_TOPIC],
  );
  const last = value?.entries.at(-1)?.subject;
  return (
    <section aria-labelledby="blocked">
      <h2 id="blocked">Blocked subjects: {formatCount(blocked)}</h2>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {value?.entries.length === 0 && <p class="good">No subject waits for the endpoint.</p>}
      {value !== undefined && value.entries.length > 0 && (
        <DataTable caption="Blocked subjects, by name" columns={["Subject", "Error", "Attempts", "Action"]}>
          {value.entries.map((delivery) => (
            <BlockedRow
              key={`${delivery.subject}\n${delivery.sequence}`}
              id={id}
              delivery={delivery}
              onChange={reload}
            />
          ))}
        </DataTable>
      )}
      <p class="actions">
        {after !== "" && <a href={router.href(`webhooks/${id}`)}>First subjects</a>}
        {value?.hasMore === true && (
          <a href={router.href(`webhooks/${id}`, { blocked: last })}>Next subjects</a>
        )}
      </p>
    </section>
  );
}
