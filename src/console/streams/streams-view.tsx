import type { SubjectInfo } from "../../client/types.ts";
import { useResource } from "../data/use-resource.ts";
import { formatCounted } from "../format/counts.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { EmptyState } from "../shell/empty-state.tsx";
import { LoadState } from "../shell/load-state.tsx";
import { SearchField } from "../shell/search-field.tsx";
import { Time } from "../shell/time.tsx";
import type { ViewProps } from "../shell/views.ts";

/** Streams on one page of the list. */
const PAGE_SIZE = 100;

function StreamRow({ stream }: { readonly stream: SubjectInfo }) {
  const { router } = useConsole();
  const { subject, version, firstVersion, time, erased } = stream;
  return (
    <tr>
      <th scope="row">
        <a href={router.href("stream", { name: subject })}>
          <bdi>{subject}</bdi>
        </a>
      </th>
      <td>
        {erased ? "Erased" : formatCounted(version - firstVersion + 1, "event")}
        {!erased && firstVersion > 1 && <span class="muted"> from version {firstVersion}</span>}
      </td>
      <td>
        <Time time={time} />
      </td>
    </tr>
  );
}

/** Lists streams by name, by a prefix. */
export function StreamsView({ query }: ViewProps) {
  const { client, router, commands } = useConsole();
  const prefix = query.get("prefix") ?? "";
  const after = query.get("after") ?? "";
  const { value, error, reload } = useResource(
    `${prefix}\n${after}`,
    async (signal): Promise<readonly SubjectInfo[]> => {
      const pages = client.subjectPages({
        pageSize: PAGE_SIZE,
        signal,
        ...(prefix === "" ? {} : { prefix }),
        ...(after === "" ? {} : { after }),
      });
      const first = await pages.next();
      return first.done === true ? [] : first.value;
    },
    [EVENTS_TOPIC],
  );
  const last = value?.at(-1)?.subject;
  return (
    <>
      <h1>Streams</h1>
      <SearchField
        label="Streams whose names begin with"
        value={prefix}
        placeholder="user-"
        onSearch={(text) => router.go(router.href("streams", { prefix: text }), { replace: true })}
      />
      <LoadState value={value} error={error} reload={reload} />
      {value?.length === 0 && after === "" && (
        <EmptyState
          title={prefix === "" ? "There is no stream yet" : "No stream begins like this"}
          command={commands.append(`${prefix || "user-"}1`)}
        >
          The first event of a stream creates it.
        </EmptyState>
      )}
      {value !== undefined && value.length > 0 && (
        <DataTable caption="Streams, by name" columns={["Stream", "Events", "Last event"]}>
          {value.map((stream) => (
            <StreamRow key={stream.subject} stream={stream} />
          ))}
        </DataTable>
      )}
      <p class="actions">
        {after !== "" && <a href={router.href("streams", { prefix })}>First streams</a>}
        {value?.length === PAGE_SIZE && (
          <a href={router.href("streams", { prefix, after: last })}>Next streams</a>
        )}
      </p>
    </>
  );
}
