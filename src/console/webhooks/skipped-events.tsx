import { useResource } from "../data/use-resource.ts";
import { formatCount } from "../format/counts.ts";
import { SUBSCRIPTIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { DataTable } from "../shell/data-table.tsx";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";

/** The events that were skipped by request. */
export function SkippedEvents({ id }: { readonly id: string }) {
  const { client } = useConsole();
  const { value, error, reload } = useResource(
    id,
    () => client.subscriptions.skips(id),
    [SUBSCRIPTIONS_TOPIC],
    {
      restMs: 2_000,
    },
  );
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined || value.length === 0) return null;
  return (
    <section aria-labelledby="skips">
      <h2 id="skips">Skipped events</h2>
      <DataTable
        caption="Skipped events, the latest first"
        columns={["Subject", "Version", "Skipped", "Last error"]}
      >
        {value.map(({ subject, sequence, time, error: fault }) => (
          <tr key={`${subject}\n${sequence}\n${time}`}>
            <th scope="row">
              <bdi>{subject}</bdi>
            </th>
            <td>{formatCount(Number(sequence))}</td>
            <td>
              <Time time={time} />
            </td>
            <td>{fault ?? "None"}</td>
          </tr>
        ))}
      </DataTable>
    </section>
  );
}
