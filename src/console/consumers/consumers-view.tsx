import { useResource } from "../data/use-resource.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { SearchField } from "../shell/search-field.tsx";
import { SelectField } from "../shell/select-field.tsx";
import type { ViewProps } from "../shell/views.ts";
import { ConsumerDetail } from "./consumer-detail.tsx";
import { CONSUMER_STATES } from "./consumer-state.tsx";
import { type ConsumedLog, logAt, logsOf } from "./consumed-log.ts";
import { type ConsumerFilter, LogConsumers } from "./log-consumers.tsx";

/** Consumers on a page of one log, and of each log beside others. */
const PAGE_SIZE = 100;
const PART_SIZE = 10;

interface ConsumerListProps {
  /** Null: all logs. */
  readonly log: ConsumedLog | null;
  readonly filter: ConsumerFilter;
}

/** Fields that choose the log, state, and names of the list. */
function FilterFields({ log, filter, logs }: ConsumerListProps & { readonly logs: readonly ConsumedLog[] }) {
  const { router } = useConsole();
  const show = (change: { log?: string; state?: string; prefix?: string }, replace = false): void => {
    const { state, prefix } = filter;
    router.go(router.href("consumers", { log: log?.path, state, prefix, ...change }), { replace });
  };
  return (
    <div class="controls">
      <SelectField
        label="Log"
        value={log?.path ?? ""}
        choices={[["", "All logs"], ...logs.map(({ path, title }) => [path, title] as const)]}
        onChange={(path) => show({ log: path })}
      />
      <SelectField
        label="State"
        value={filter.state}
        choices={[["", "All states"], ...CONSUMER_STATES]}
        onChange={(state) => show({ state })}
      />
      <SearchField
        label="Names that begin with"
        value={filter.prefix}
        placeholder="cards"
        onSearch={(prefix) => show({ prefix }, true)}
      />
    </div>
  );
}

function ConsumerList({ log, filter }: ConsumerListProps) {
  const { client, router } = useConsole();
  const { value: feeds, error, reload } = useResource("feeds", (signal) => client.feeds.list(signal));
  const logs = logsOf(feeds ?? []);
  const { prefix, state } = filter;
  return (
    <>
      <h1>Consumers</h1>
      <FilterFields log={log} filter={filter} logs={logs} />
      {error !== null && <Problem error={error} onRetry={reload} />}
      {log !== null ? (
        <LogConsumers log={log} filter={filter} pageSize={PAGE_SIZE} isOneOfMany={false} />
      ) : (
        feeds !== undefined &&
        logs.map((each, index) => (
          <section key={each.path} aria-labelledby={`log-${index}`}>
            <h2 id={`log-${index}`}>
              <a href={router.href("consumers", { log: each.path, prefix, state })}>{each.title}</a>
            </h2>
            <LogConsumers log={each} filter={{ ...filter, after: "" }} pageSize={PART_SIZE} isOneOfMany />
          </section>
        ))
      )}
    </>
  );
}

/** Lists consumers by log, state, and name, or shows one. */
export function ConsumersView({ query }: ViewProps) {
  const path = query.get("log") ?? "";
  const name = query.get("consumer");
  const log = logAt(path);
  if (log !== null && name !== null) return <ConsumerDetail log={log} name={name} />;
  const asked = query.get("state");
  const state = CONSUMER_STATES.find(([each]) => each === asked)?.[0];
  const filter: ConsumerFilter = {
    prefix: query.get("prefix") ?? "",
    state: state ?? "",
    after: query.get("after") ?? "",
  };
  return <ConsumerList log={log} filter={filter} />;
}
