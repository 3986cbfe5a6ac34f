import { useSignal } from "@preact/signals";

import type { FeedInfo } from "../../client/feed-types.ts";
import { useResource } from "../data/use-resource.ts";
import { useConsole } from "../shell/console-context.ts";
import { Problem } from "../shell/problem.tsx";
import { JsonText } from "../streams/json-text.tsx";
import { versionName } from "./feed-groups.ts";

interface ContractProps {
  readonly feed: FeedInfo;
}

function Schemas({ feed }: ContractProps) {
  const { client } = useConsole();
  const name = versionName(feed);
  const { value, error, reload } = useResource(name, () => client.feeds.schemas(name));
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return <p class="muted">Loading…</p>;
  return (
    <>
      {Object.entries(value).map(([type, schema]) => (
        <details key={type}>
          <summary>
            <bdi>{type}</bdi>
          </summary>
          <JsonText text={JSON.stringify(schema, null, 2)} label={`Schema of ${type}`} />
        </details>
      ))}
    </>
  );
}

/** The contract of a version: its types and their schemas, which are loaded when they are opened. */
export function Contract({ feed }: ContractProps) {
  const isOpen = useSignal(false);
  return (
    <details
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>Contract: {feed.types.join(", ")}</summary>
      {isOpen.value && <Schemas feed={feed} />}
    </details>
  );
}
