import { useSignal } from "@preact/signals";

import type { ApiKey, IssuedApiKey } from "../../client/key-types.ts";
import { useResource } from "../data/use-resource.ts";
import { KEYS_TOPIC } from "../live/topics.ts";
import { ConfirmDialog } from "../shell/confirm-dialog.tsx";
import { useConsole } from "../shell/console-context.ts";
import { DialogButton } from "../shell/dialog-button.tsx";
import { Facts } from "../shell/facts.tsx";
import { IssuedSecret } from "../shell/issued-secret.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { RotationDialog } from "../shell/rotation-dialog.tsx";
import { Time } from "../shell/time.tsx";
import { KeyState } from "./key-state.tsx";
import { keyHint } from "./key-hint.ts";

interface KeyProps {
  readonly info: ApiKey;
}

function KeyFacts({ info }: KeyProps) {
  const { router } = useConsole();
  const { key, grants, consumer, created, expires, revoked, successor, used } = info;
  return (
    <Facts
      facts={[
        ["Id", <code key="id">{key}</code>],
        [
          "Grants",
          grants.map((grant) => (
            <div key={grant}>
              <code>{grant}</code>
            </div>
          )),
        ],
        ["Consumer", consumer === null ? "None" : <bdi key="consumer">{consumer}</bdi>],
        ["Created", <Time key="created" time={created} isExact />],
        ["Last used", used === null ? "Never" : <Time key="used" time={used} />],
        ["Ends", expires === null ? "Never" : <Time key="expires" time={expires} isExact />],
        ["Revoked", revoked === null ? undefined : <Time key="revoked" time={revoked} isExact />],
        [
          "Replaced by",
          successor === null ? undefined : (
            <a key="successor" href={router.href(`keys/${successor}`)}>
              {successor}
            </a>
          ),
        ],
      ]}
    />
  );
}

function RevokeButton({ info, onRevoked }: KeyProps & { readonly onRevoked: () => void }) {
  const { client } = useConsole();
  const { key, name } = info;
  return (
    <DialogButton
      label="Revoke"
      dialog={(close) => (
        <ConfirmDialog
          title={`Revoke the key ${name}`}
          name={name}
          action="Revoke"
          onConfirm={async (reason) => {
            await client.keys.revoke(key, { reason });
            onRevoked();
          }}
          onClose={close}
        >
          <p>
            Requests with it are refused within a second, and the streams that it follows end within five.
          </p>
          {info.grants.includes("admin") && (
            <p class="warning">It has the grant admin. Make sure that another key has it as well.</p>
          )}
        </ConfirmDialog>
      )}
    />
  );
}

/** One key, never with its token. */
export function KeyDetail({ id }: { readonly id: string }) {
  const { client, router, nowMs } = useConsole();
  const { value, error, reload } = useResource(id, () => client.keys.get(id), [KEYS_TOPIC]);
  const issued = useSignal<IssuedApiKey | null>(null);
  const show = (key: IssuedApiKey | null): void => {
    issued.value = key;
    reload();
  };
  const isValid = value?.status === "active" || value?.status === "rotated";
  const hint = value === undefined ? null : keyHint(value, nowMs.value);
  return (
    <>
      <p>
        <a href={router.href("keys")}>Keys</a>
      </p>
      <h1>
        <bdi>{value?.name ?? id}</bdi> {value !== undefined && <KeyState status={value.status} />}
      </h1>
      <LoadState value={value} error={error} reload={reload} />
      {hint !== null && <p class="warning">{hint}</p>}
      {value !== undefined && <KeyFacts info={value} />}
      {value !== undefined && isValid && (
        <div class="actions">
          {value.status === "active" && (
            <DialogButton
              label="Rotate"
              dialog={(close) => (
                <RotationDialog
                  title={`Rotate ${value.name}`}
                  hint="Until then, give the new token to the service."
                  onRotate={async (rotation) => show(await client.keys.rotate(id, rotation))}
                  onClose={close}
                >
                  <p>
                    A new key with the same name, grants and consumer replaces it. The old one ends after an
                    overlap.
                  </p>
                </RotationDialog>
              )}
            />
          )}
          <RevokeButton info={value} onRevoked={reload} />
        </div>
      )}
      {issued.value !== null && (
        <IssuedSecret
          title={`The token of the new key ${issued.value.name}`}
          secrets={[["Token", issued.value.token]]}
          onClose={() => show(null)}
        />
      )}
    </>
  );
}
