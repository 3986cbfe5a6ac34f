import { useSignal } from "@preact/signals";

import type { Credentials, Subscription } from "../../client/subscription-types.ts";
import { lagText } from "../consumers/lag-text.ts";
import { logAt } from "../consumers/consumed-log.ts";
import { takePage } from "../data/take-page.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { DialogButton } from "../shell/dialog-button.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { IssuedSecret } from "../shell/issued-secret.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { SelectField } from "../shell/select-field.tsx";
import { CreateSubscriptionDialog } from "./create-subscription-dialog.tsx";
import { SUBSCRIPTION_STATES, SubscriptionState } from "./subscription-state.tsx";

const PAGE_SIZE = 100;

/** The part of the list that is shown; empty texts: all. */
export interface SubscriptionFilter {
  readonly status: Subscription["status"] | "";
  readonly source: string;
  /** Id of the subscription before the first shown one. */
  readonly after: string;
}

function SubscriptionRow({ subscription: info }: { readonly subscription: Subscription }) {
  const { router } = useConsole();
  const { subscription: id, url, source, status, reason, lag, blocked, description } = info;
  return (
    <tr>
      <th scope="row">
        <a href={router.href(`webhooks/${id}`)}>
          <bdi>{description || url}</bdi>
        </a>
        {description !== "" && (
          <div class="muted">
            <bdi>{url}</bdi>
          </div>
        )}
      </th>
      <td>{logAt(source)?.title ?? source}</td>
      <td>
        <SubscriptionState status={status} />
        {reason !== null && <div class="muted">{reason}</div>}
      </td>
      <td>{lagText(lag)}</td>
      <td>{blocked === 0 ? "None" : formatCount(blocked)}</td>
    </tr>
  );
}

/** A button for the form of a subscription, and the secret of the one that it created. */
function CreateSubscription({
  source,
  onCreated,
}: {
  readonly source: string;
  readonly onCreated: () => void;
}) {
  const issued = useSignal<Credentials | null>(null);
  const show = (credentials: Credentials): void => {
    issued.value = credentials;
    onCreated();
  };
  return (
    <>
      <p class="actions">
        <DialogButton
          label="Create a subscription"
          dialog={(close) => <CreateSubscriptionDialog source={source} onCreated={show} onClose={close} />}
        />
      </p>
      {issued.value !== null && (
        <IssuedSecret
          title="The secret of the new subscription"
          secrets={[["Secret", issued.value.secret]]}
          onClose={() => {
            issued.value = null;
          }}
        />
      )}
    </>
  );
}

/** Lists subscriptions by state and log. */
export function SubscriptionList({ filter }: { readonly filter: SubscriptionFilter }) {
  const { client, router, session, commands } = useConsole();
  const { status, source, after } = filter;
  const { value, error, reload } = useResource(
    [status, source, after].join("\n"),
    (signal) =>
      takePage(
        client.subscriptions.list({
          pageSize: PAGE_SIZE + 1,
          signal,
          ...(status === "" ? {} : { statuses: [status] }),
          ...(source === "" ? {} : { source }),
          ...(after === "" ? {} : { after }),
        }),
        PAGE_SIZE,
      ),
    [SUBSCRIPTIONS_TOPIC],
  );
  const isFiltered = status !== "" || source !== "" || after !== "";
  const last = value?.entries.at(-1)?.subscription;
  return (
    <>
      <h1>Webhooks</h1>
      {session.may("manage:/subscriptions").value && (
        <CreateSubscription source={source} onCreated={reload} />
      )}
      <div class="controls">
        <SelectField
          label="State"
          value={status}
          choices={[["", "All states"], ...SUBSCRIPTION_STATES]}
          onChange={(chosen) => router.go(router.href("webhooks", { source, status: chosen }))}
        />
        {source !== "" && (
          <p>
            Of {logAt(source)?.title ?? source}. <a href={router.href("webhooks", { status })}>Of all logs</a>
          </p>
        )}
      </div>
      <LoadState value={value} error={error} reload={reload} />
      {value?.entries.length === 0 &&
        (isFiltered ? (
          <p class="muted">No subscription is like this.</p>
        ) : (
          <EmptyState title="There is no subscription" command={commands.createWebhook()}>
            Kilde delivers a log to an endpoint, and signs each request with a secret that is shown once.
          </EmptyState>
        ))}
      {value !== undefined && value.entries.length > 0 && (
        <DataTable caption="Subscriptions" columns={["Endpoint", "Log", "State", "Lag", "Blocked subjects"]}>
          {value.entries.map((each) => (
            <SubscriptionRow key={each.subscription} subscription={each} />
          ))}
        </DataTable>
      )}
      <p class="actions">
        {after !== "" && <a href={router.href("webhooks", { status, source })}>First subscriptions</a>}
        {value?.hasMore === true && (
          <a href={router.href("webhooks", { status, source, after: last })}>Next subscriptions</a>
        )}
      </p>
    </>
  );
}
