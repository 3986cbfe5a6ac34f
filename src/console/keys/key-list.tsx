import { useSignal } from "@preact/signals";

import type { ApiKey, IssuedApiKey } from "../../client/key-types.ts";
import { takePage } from "../data/take-page.ts";
import { useResource } from "../data/use-resource.ts";
import { KEYS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { DialogButton } from "../shell/dialog-button.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { IssuedSecret } from "../shell/issued-secret.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { Time } from "../shell/time.tsx";
import { CreateKeyDialog } from "./create-key-dialog.tsx";
import { KeyState } from "./key-state.tsx";
import { keyHint } from "./key-hint.ts";

const PAGE_SIZE = 100;

function KeyRow({ info }: { readonly info: ApiKey }) {
  const { router, nowMs } = useConsole();
  const { key, name, status, grants, consumer, expires, used } = info;
  const hint = keyHint(info, nowMs.value);
  return (
    <tr>
      <th scope="row">
        <a href={router.href(`keys/${key}`)}>
          <bdi>{name}</bdi>
        </a>
        <div class="muted">{key}</div>
      </th>
      <td>
        <KeyState status={status} />
        {hint !== null && <div class="muted">{hint}</div>}
      </td>
      <td>
        {grants.map((grant) => (
          <div key={grant}>
            <code>{grant}</code>
          </div>
        ))}
        {consumer !== null && (
          <div class="muted">
            as consumer <bdi>{consumer}</bdi>
          </div>
        )}
      </td>
      <td>{used === null ? "Never" : <Time time={used} />}</td>
      <td>{expires === null ? "Never" : <Time time={expires} isExact />}</td>
    </tr>
  );
}

/** Lists keys by name, also those that have ended, and creates keys. */
export function KeyList({ after }: { readonly after: string }) {
  const { client, router, commands } = useConsole();
  const { value, error, reload } = useResource(
    after,
    (signal) => {
      const part = { pageSize: PAGE_SIZE + 1, signal, ...(after === "" ? {} : { after }) };
      return takePage(client.keys.list(part), PAGE_SIZE);
    },
    [KEYS_TOPIC],
  );
  const issued = useSignal<IssuedApiKey | null>(null);
  const show = (key: IssuedApiKey | null): void => {
    issued.value = key;
    reload();
  };
  const isEmpty = value?.entries.length === 0 && after === "";
  return (
    <>
      <h1>Keys</h1>
      {!isEmpty && (
        <p class="actions">
          <DialogButton
            label="Create a key"
            dialog={(close) => <CreateKeyDialog onCreated={show} onClose={close} />}
          />
        </p>
      )}
      {issued.value !== null && (
        <IssuedSecret
          title={`The token of the key ${issued.value.name}`}
          secrets={[["Token", issued.value.token]]}
          onClose={() => show(null)}
        />
      )}
      <LoadState value={value} error={error} reload={reload} />
      {isEmpty && (
        <EmptyState title="There is no key: this store is open to everyone" command={commands.createKey()}>
          Create the first key on the machine of the database. From then on, requests need a key.
        </EmptyState>
      )}
      {value !== undefined && value.entries.length > 0 && (
        <DataTable caption="Keys, by name" columns={["Key", "State", "Grants", "Last used", "Ends"]}>
          {value.entries.map((info) => (
            <KeyRow key={info.key} info={info} />
          ))}
        </DataTable>
      )}
      <p class="actions">
        {after !== "" && <a href={router.href("keys")}>First keys</a>}
        {value?.hasMore === true && (
          <a href={router.href("keys", { after: value.entries.at(-1)?.key })}>Next keys</a>
        )}
      </p>
    </>
  );
}
