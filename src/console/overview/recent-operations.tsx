import type { KildeEvent } from "../../core/read-event.ts";
import { useResource } from "../data/use-resource.ts";
import { OPERATIONS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { Time } from "../shell/time.tsx";

const SHOWN = 10;

/** The principal of an entry; null: Kilde made the change, or does not know who did. */
function principalOf({ data }: KildeEvent): string | null {
  const named = typeof data === "object" && data !== null && "principal" in data ? data.principal : null;
  return typeof named === "string" ? named : null;
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
          <li key={entry.id}>
            <strong>{entry.type}</strong> <bdi>{entry.subject}</bdi>{" "}
            <span class="muted">
              {principalOf(entry) !== null && (
                <>
                  by <bdi>{principalOf(entry)}</bdi>,{" "}
                </>
              )}
              <Time time={entry.time} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
