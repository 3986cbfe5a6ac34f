import type { ConsumerInfo } from "../../client/types.ts";
import { formatCount } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { Time } from "../shell/time.tsx";
import { ConsumerState } from "./consumer-state.tsx";
import type { ConsumedLog } from "./consumed-log.ts";
import { lagText } from "./lag-text.ts";

export interface ConsumerTableProps {
  readonly log: ConsumedLog;
  readonly consumers: readonly ConsumerInfo[];
}

function ConsumerRow({ log, info }: { readonly log: ConsumedLog; readonly info: ConsumerInfo }) {
  const { router } = useConsole();
  const { consumer, state, committed, sent, lag, seen, blocked } = info;
  return (
    <tr>
      <th scope="row">
        <a href={router.href("consumers", { log: log.path, consumer })}>
          <bdi>{consumer}</bdi>
        </a>
      </th>
      <td>
        <ConsumerState state={state} />
      </td>
      <td>{lagText(lag)}</td>
      <td>{committed === null ? `${formatCount(sent ?? 0)}, only sent` : formatCount(committed)}</td>
      <td>{blocked === 0 ? "None" : formatCount(blocked)}</td>
      <td>
        <Time time={seen} />
      </td>
    </tr>
  );
}

/** Shows consumers of one log, one in each row. */
export function ConsumerTable({ log, consumers }: ConsumerTableProps) {
  return (
    <DataTable
      caption={`Consumers of ${log.title}, by name`}
      columns={["Consumer", "State", "Lag", "Position", "Blocked subjects", "Last seen"]}
    >
      {consumers.map((info) => (
        <ConsumerRow key={info.consumer} log={log} info={info} />
      ))}
    </DataTable>
  );
}
