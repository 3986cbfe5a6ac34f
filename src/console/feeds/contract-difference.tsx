import { useSignal } from "@preact/signals";

import type { FeedInfo } from "../../client/feed-types.ts";
import { useResource } from "../data/use-resource.ts";
import { useConsole } from "../shell/console-context.ts";
import { DifferenceList } from "../shell/difference-list.tsx";
import { Problem } from "../shell/problem.tsx";
import { contractDifferences, type MemberDifference, type TypeDifference } from "./contract-differences.ts";
import { versionName } from "./feed-groups.ts";

export interface ContractDifferenceProps {
  readonly feed: FeedInfo;
  /** The version of the feed before it. */
  readonly previous: FeedInfo;
}

const KIND_TEXTS: Readonly<Record<TypeDifference["kind"], string>> = {
  added: "new",
  removed: "no longer published",
  changed: "changed",
  same: "the same",
};

function shownMember({ path, before, after }: MemberDifference) {
  return { place: path, before, after };
}

function Differences({ feed, previous }: ContractDifferenceProps) {
  const { client } = useConsole();
  const [name, before] = [versionName(feed), versionName(previous)];
  const { value, error, reload } = useResource(`${before}\n${name}`, async () => {
    const [earlier, later] = await Promise.all([client.feeds.schemas(before), client.feeds.schemas(name)]);
    return contractDifferences(earlier, later);
  });
  if (error !== null) return <Problem error={error} onRetry={reload} />;
  if (value === undefined) return <p class="muted">Loading…</p>;
  return (
    <ul class="types">
      {value.map(({ type, kind, members }) => (
        <li key={type}>
          <bdi>{type}</bdi>{" "}
          <span class={kind === "same" ? "state" : "state changed"}>{KIND_TEXTS[kind]}</span>
          {members.length > 0 && (
            <DifferenceList differences={members.map(shownMember)} label={`Changed members of ${type}`} />
          )}
        </li>
      ))}
    </ul>
  );
}

/** The difference of a version's contract from that of the version before, which is loaded when it is opened. */
export function ContractDifference({ feed, previous }: ContractDifferenceProps) {
  const isOpen = useSignal(false);
  return (
    <details
      onToggle={({ currentTarget }) => {
        isOpen.value = currentTarget.open;
      }}
    >
      <summary>Difference from version {previous.version}</summary>
      {isOpen.value && <Differences feed={feed} previous={previous} />}
    </details>
  );
}
