import type { KildeEvent } from "../../core/read-event.ts";
import { useResource } from "../data/use-resource.ts";
import { OPERATIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";
import { operationEntry } from "./operation-entry.ts";

const SHOWN = 10;

function Entry({ entry }: { readonly entry: KildeEvent }) {
  const { router } = useConsole();
  const { title, resource, principal, reason, view } = operationEntry(entry);
  return (
    <li>
      <strong>{title}</strong>{" "}
      {view === null ? (
        <bdi>{resource}</bdi>
      ) : (
        <a href={router.href(view.name, view.query)}>
          <bdi>{resource}</bdi>
        </a>
      )}{" "}
      <span class="muted">
        {principal !== null && (
          <>
            by <bdi>{principal}</bdi>,{" "}
          </>
        )}
        <Time time={entry.time} />
        {reason !== null && (
          <>
            : <bdi>{reason}</bdi>
          </>
        )}
      </span>
    </li>
  );
}

/** The latest entries of the log of administration. */
export function RecentOperations() {
  const { client } = useConsole();
  const { value, error, reload } = useResource(
    "operations",
    async (signal) => {
      const entries: KildeEvent[] = [];
      const options = { feed: "/operations", direction: "backwards", limit: SHOWN, signal } as const;
      for await (const entry of client.read(options)) entries.push(entry);
      return entries;
    },
    [OPERATIONS_TOPIC],
  );
  return (
    <section aria-labelledby="operations">
      <h2 id="operations">Recent administration</h2>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {value?.length === 0 && <p class="muted">Nobody has changed anything yet.</p>}
      <ul class="entries">
        {value?.map((entry) => (
          <Entry key={entry.id} entry={entry} />
        ))}
      </ul>
    </section>
  );
}
