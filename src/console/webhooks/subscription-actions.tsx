import { useSignal } from "@preact/signals";

import type { Credentials, Subscription, TestDelivery } from "../../client/subscription-types.ts";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { DialogButton } from "../shell/dialog-button.tsx";
import { FormDialog } from "../shell/form-dialog.tsx";
import { IssuedSecret } from "../shell/issued-secret.tsx";
import { Problem } from "../shell/problem.tsx";
import { ReasonField } from "../shell/reason-field.tsx";
import { RotationDialog } from "../shell/rotation-dialog.tsx";
import { type Action, useAction } from "../shell/use-action.ts";
import { RewindDialog } from "./rewind-dialog.tsx";

export interface SubscriptionActionsProps {
  readonly subscription: Subscription;
  /** Called after a change. */
  readonly onChange: () => void;
}

function PauseDialog({
  id,
  onPaused,
  onClose,
}: {
  readonly id: string;
  readonly onPaused: () => void;
  readonly onClose: () => void;
}) {
  const { client } = useConsole();
  const reason = useSignal("");
  return (
    <FormDialog
      title="Pause the deliveries"
      action="Pause"
      onSubmit={async () => {
        const stated = reason.value.trim();
        await client.subscriptions.pause(id, ...(stated === "" ? [] : [stated]));
        onPaused();
      }}
      onClose={onClose}
    >
      <p>The cursor stays where it is, and resuming continues from it.</p>
      <ReasonField reason={reason} />
    </FormDialog>
  );
}

function TestResult({ acknowledged, error, durationMs }: TestDelivery) {
  return (
    <p class={acknowledged ? "good" : "warning"}>
      {acknowledged
        ? "The endpoint acknowledged the test"
        : `The endpoint did not acknowledge the test: ${error ?? "?"}`}
      , after {durationMs} ms.
    </p>
  );
}

interface ChangeProps extends SubscriptionActionsProps {
  readonly action: Action;
}

function PauseOrResume({ subscription, onChange, action: { run, isBusy } }: ChangeProps) {
  const { client } = useConsole();
  const { subscription: id, status, endpoint } = subscription;
  const resume = async (): Promise<void> => {
    await client.subscriptions.resume(id);
    onChange();
  };
  return status === "paused" || endpoint !== null ? (
    <button type="button" disabled={isBusy} onClick={() => run(resume)}>
      {status === "paused" ? "Resume" : "Try the endpoint now"}
    </button>
  ) : (
    <DialogButton
      label="Pause"
      dialog={(close) => <PauseDialog id={id} onPaused={onChange} onClose={close} />}
    />
  );
}

function RemoveButton({ id }: { readonly id: string }) {
  const { client, router } = useConsole();
  return (
    <DialogButton
      label="Remove"
      dialog={(close) => (
        <ConfirmDialog
          title="Remove the subscription"
          name={id}
          action="Remove"
          onConfirm={async (reason) => {
            await client.subscriptions.remove(id, { reason });
            router.go(router.href("webhooks"));
          }}
          onClose={close}
        >
          <p>Kilde delivers nothing more to this endpoint, and deletes its cursor.</p>
        </ConfirmDialog>
      )}
    />
  );
}

/** Pauses, resumes, tests, rewinds, and removes a subscription, and rotates its secret. */
export function SubscriptionActions({ subscription, onChange }: SubscriptionActionsProps) {
  const { client } = useConsole();
  const { subscription: id } = subscription;
  const action = useAction();
  const { run, isBusy, error } = action;
  const tested = useSignal<TestDelivery | null>(null);
  const issued = useSignal<Credentials | null>(null);
  const test = async (): Promise<void> => {
    tested.value = null;
    tested.value = await client.subscriptions.test(id);
  };
  const show = (credentials: Credentials | null): void => {
    issued.value = credentials;
  };
  return (
    <>
      <div class="actions">
        <PauseOrResume subscription={subscription} onChange={onChange} action={action} />
        <button type="button" disabled={isBusy} onClick={() => run(test)}>
          Send a test
        </button>
        <DialogButton
          label="Deliver again"
          dialog={(close) => <RewindDialog subscription={subscription} onClose={close} />}
        />
        <DialogButton
          label="Rotate the secret"
          dialog={(close) => (
            <RotationDialog
              title="Rotate the secret"
              hint="Until then, give the new secret to the receiver."
              onRotate={async (rotation) => show(await client.subscriptions.rotateSecret(id, rotation))}
              onClose={close}
            >
              <p>Kilde signs with a new secret at once, and with the old one as well for an overlap.</p>
            </RotationDialog>
          )}
        />
        <RemoveButton id={id} />
      </div>
      <div role="status">
        {isBusy && <p class="muted">Working…</p>}
        {tested.value !== null && <TestResult {...tested.value} />}
      </div>
      {error !== null && <Problem error={error} />}
      {issued.value !== null && (
        <IssuedSecret
          title="The new secret"
          secrets={[
            ["Secret", issued.value.secret],
            ["Public key", issued.value.publicKey],
          ]}
          onClose={() => show(null)}
        />
      )}
    </>
  );
}
