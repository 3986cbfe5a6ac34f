import type { KildeEvent } from "../../core/read-event.ts";
import { formatCount } from "../format/counts.ts";
import { useConsole } from "../shell/console-context.ts";
import { Time } from "../shell/time.tsx";
import { JsonText } from "../streams/json-text.tsx";
import { type AlignedCell, type AlignedRow, type ComparedEvent, differs } from "./alignment.ts";
import { ValueDifferenceList } from "./value-difference-list.tsx";

export interface AlignedRowProps {
  readonly row: AlignedRow<KildeEvent>;
  /** Name of the subject that is shown. */
  readonly name: string;
  /** Names of the versions, in the order of the cells. */
  readonly versions: readonly string[];
  readonly readsStream: boolean;
}

interface DataProps {
  readonly event: KildeEvent;
  readonly label: string;
}

function Data({ event, label }: DataProps) {
  if (event.erased) return <p>Erased: {event.reason ?? "no reason was given"}</p>;
  if (event.data === undefined) return <p class="muted">Without data</p>;
  return (
    <JsonText text={JSON.stringify(event.data, null, 2)} value={event.data} label={`Data of ${label}`} />
  );
}

function PublishedEvent({
  compared: { event, comparison },
  version,
  before,
}: {
  readonly compared: ComparedEvent<KildeEvent>;
  readonly version: string;
  readonly before: string;
}) {
  const label = `version ${event.version} in ${version}`;
  return (
    <>
      <p>
        <span class="version">{formatCount(event.version)}</span> <bdi>{event.type}</bdi>{" "}
        {comparison.kind === "same" && <span class="state">as in {before}</span>}
        {comparison.kind === "added" && <span class="state changed">not in {before}</span>}
        {comparison.kind === "different" && <span class="state changed">differs from {before}</span>}
      </p>
      {comparison.kind === "different" && comparison.typeBefore !== null && (
        <p>
          Published as <bdi>{comparison.typeBefore}</bdi> by {before}
        </p>
      )}
      {comparison.kind === "different" && comparison.differences.length > 0 && (
        <ValueDifferenceList
          differences={comparison.differences}
          label={`Differences of ${label} from ${before}`}
        />
      )}
      {comparison.kind !== "same" && <Data event={event} label={label} />}
    </>
  );
}

interface VersionCellProps {
  readonly cell: AlignedCell<KildeEvent>;
  readonly version: string;
  /** The version that it is compared with. */
  readonly before: string;
}

function VersionCell({ cell: { events, missing }, version, before }: VersionCellProps) {
  return (
    <div class="cell">
      <h4>{version}</h4>
      {events.map((compared) => (
        <PublishedEvent key={compared.event.id} compared={compared} version={version} before={before} />
      ))}
      {missing.map(({ id, type }) => (
        <p key={id}>
          <span class="state changed">only in {before}</span> <bdi>{type}</bdi>
        </p>
      ))}
      {events.length === 0 && missing.length === 0 && <p class="muted">Publishes nothing</p>}
    </div>
  );
}

function SourceCell({ row: { source }, name, readsStream }: Omit<AlignedRowProps, "versions">) {
  const { router } = useConsole();
  if (source === null)
    return <p class="muted">{readsStream ? "The event was removed" : "You may not read the event log"}</p>;
  const { subject, version, recordedTime } = source;
  return (
    <>
      <p class="muted">
        {subject !== name && (
          <>
            Of <bdi>{subject}</bdi>,{" "}
          </>
        )}
        <a href={router.href("stream", { name: subject, version })}>version {formatCount(version)}</a>,{" "}
        <Time time={recordedTime} isExact />
      </p>
      <Data event={source} label={`version ${version} of the stream`} />
    </>
  );
}

/** One event of the event log, next to the events that each version published of it. */
export function AlignedRowItem({ row, name, versions, readsStream }: AlignedRowProps) {
  const { origin, source, cells } = row;
  return (
    <li class={differs(row) ? "aligned differs" : "aligned"}>
      <h3>
        {source !== null && <bdi>{source.type}</bdi>}
        <span class="muted">
          {" "}
          {origin === null ? "of an unknown event" : `position ${formatCount(origin)}`}
        </span>
      </h3>
      <div class="cells">
        <div class="cell">
          <h4>Event log</h4>
          <SourceCell row={row} name={name} readsStream={readsStream} />
        </div>
        {cells.map((cell, index) => (
          <VersionCell
            key={versions[index]}
            cell={cell}
            version={versions[index] ?? ""}
            before={versions[index - 1] ?? ""}
          />
        ))}
      </div>
    </li>
  );
}
