import { formatCounted } from "../format/counts.ts";

/** Differences that are listed; a value may have thousands. */
const SHOWN = 30;

/** A place where two things differ. */
export interface ShownDifference {
  /** Its name; empty: the whole. */
  readonly place: string;
  /** Text of each side; null: it is absent there. */
  readonly before: string | null;
  readonly after: string | null;
}

function Line({ place, before, after }: ShownDifference) {
  return (
    <li>
      {place === "" ? "The whole" : <code>{place}</code>}{" "}
      {before !== null && (
        <>
          <span class="hidden">was </span>
          <del>{before}</del>{" "}
        </>
      )}
      {after === null ? (
        <span class="muted">is absent</span>
      ) : (
        <>
          <span class="hidden">{before === null ? "is new: " : "is "}</span>
          <ins>{after}</ins>
        </>
      )}
    </li>
  );
}

export interface DifferenceListProps {
  readonly differences: readonly ShownDifference[];
  readonly label: string;
}

/** Lists the places where two things differ. */
export function DifferenceList({ differences, label }: DifferenceListProps) {
  return (
    <ul class="differences" aria-label={label}>
      {differences.slice(0, SHOWN).map((difference) => (
        <Line key={difference.place} {...difference} />
      ))}
      {differences.length > SHOWN && (
        <li class="muted">and {formatCounted(differences.length - SHOWN, "other difference")}</li>
      )}
    </ul>
  );
}
