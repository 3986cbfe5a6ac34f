import type { FeedVersion } from "../../client/types.ts";
import { useResource } from "../data/use-resource.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";

/** Events among which the recent subjects are looked for. */
const LOOKED_THROUGH = 20;

export interface RecentSubjectsProps {
  /** The log; undefined: the event log. */
  readonly version: FeedVersion | undefined;
  /** Feed that the views of the subjects are restricted to. */
  readonly feed: string | undefined;
}

/** Links to the subjects of the latest events. */
export function RecentSubjects({ version, feed }: RecentSubjectsProps) {
  const { client, router } = useConsole();
  const log = version === undefined ? EVENTS_TOPIC : `/feeds/${version}`;
  const { value, error, reload } = useResource(
    `recent ${log}`,
    async (signal): Promise<readonly string[]> => {
      const names = new Set<string>();
      const from = version === undefined ? {} : { feed: version };
      const options = { ...from, direction: "backwards", limit: LOOKED_THROUGH, signal } as const;
      for await (const { subject } of client.read(options)) names.add(subject);
      return [...names];
    },
    [log],
    { restMs: 2_000 },
  );
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return <p class="muted">Loading…</p>;
  if (value.length === 0) return <p class="muted">There is no event yet.</p>;
  return (
    <section aria-labelledby="recent">
      <h2 id="recent">Subjects of the latest events</h2>
      <ul class="entries">
        {value.map((name) => (
          <li key={name}>
            <a href={router.href("subject", { name, feed })}>
              <bdi>{name}</bdi>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
