import { KildeError } from "../../core/errors.ts";
import type { ConsumerInfo } from "../../client/types.ts";
import { type ListPage, takePage } from "../data/take-page.ts";
import { useResource } from "../data/use-resource.ts";
import { CONSUMERS_TOPIC } from "../live/topics.ts";
import { useConsole } from "../shell/console-context.ts";
import { EmptyState } from "../shell/empty-state.tsx";
import { Problem } from "../shell/problem.tsx";
import type { ConsumedLog } from "./consumed-log.ts";
import { ConsumerTable } from "./consumer-table.tsx";

/** The part of a list of consumers that is shown. */
export interface ConsumerFilter {
  readonly prefix: string;
  /** Empty: all. */
  readonly state: ConsumerInfo["state"] | "";
  /** Name of the consumer before the first shown one; empty: from the beginning. */
  readonly after: string;
}

export interface LogConsumersProps {
  readonly log: ConsumedLog;
  readonly filter: ConsumerFilter;
  readonly pageSize: number;
  /** Whether other logs are shown as well: an empty one then takes one line. */
  readonly isOneOfMany: boolean;
}

/** Positions change with each read, so a list of many logs loads less often than one. */
const REST_MS = 500;
const REST_OF_MANY_MS = 3_000;

/** Links to the other pages of a list. */
function Pages({
  log,
  filter,
  next,
}: Pick<LogConsumersProps, "log" | "filter"> & { readonly next?: string }) {
  const { router } = useConsole();
  const href = (after: string) => router.href("consumers", { log: log.path, ...filter, after });
  return (
    <p class="actions">
      {filter.after !== "" && <a href={href("")}>First consumers</a>}
      {next !== undefined && <a href={href(next)}>Next consumers</a>}
    </p>
  );
}

function NoConsumers({ log, filter, isOneOfMany }: Omit<LogConsumersProps, "pageSize">) {
  const { commands } = useConsole();
  const isFiltered = filter.prefix !== "" || filter.state !== "";
  if (isFiltered || filter.after !== "") return <p class="muted">No consumer is like this.</p>;
  if (isOneOfMany) return <p class="muted">No consumer has read this log yet.</p>;
  return (
    <EmptyState title="No consumer has read this log yet" command={commands.consume(log.feed)}>
      A reader that states its name appears here, with its position and its lag.
    </EmptyState>
  );
}

/** Lists the consumers of one log. */
export function LogConsumers({ log, filter, pageSize, isOneOfMany }: LogConsumersProps) {
  const { client } = useConsole();
  const { prefix, state, after } = filter;
  const { value, error, reload } = useResource(
    [log.path, prefix, state, after].join("\n"),
    async (signal): Promise<ListPage<ConsumerInfo> | null> => {
      const consumers = client.consumers(log.feed, {
        pageSize: pageSize + 1,
        signal,
        ...(prefix === "" ? {} : { prefix }),
        ...(state === "" ? {} : { states: [state] }),
        ...(after === "" ? {} : { after }),
      });
      try {
        return await takePage(consumers, pageSize);
      } catch (failure) {
        if (failure instanceof KildeError && failure.code === "forbidden") return null;
        throw failure;
      }
    },
    [CONSUMERS_TOPIC, log.path],
    { restMs: isOneOfMany ? REST_OF_MANY_MS : REST_MS },
  );
  if (value === undefined)
    return error === null ? <p class="muted">Loading…</p> : <Problem error={error} onRetry={reload} />;
  if (value === null) return <p class="muted">You may not see who reads this log.</p>;
  const last = value.entries.at(-1)?.consumer;
  return (
    <>
      {error !== null && <Problem error={error} onRetry={reload} />}
      {value.entries.length === 0 ? (
        <NoConsumers log={log} filter={filter} isOneOfMany={isOneOfMany} />
      ) : (
        <ConsumerTable log={log} consumers={value.entries} />
      )}
      <Pages log={log} filter={filter} {...(value.hasMore && last !== undefined ? { next: last } : {})} />
    </>
  );
}
