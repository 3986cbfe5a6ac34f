import type { ValueDifference } from "../../core/value-differences.ts";
import { formatCounted } from "../format/counts.ts";

/** Differences that are listed; a value may have thousands. */
const SHOWN = 30;

/** Longest text of a value, in characters. */
const SHOWN_CHARACTERS = 200;

function textOf(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS).toWellFormed()}…` : text;
}

function Line({ pointer, left, right }: ValueDifference) {
  return (
    <li>
      <code>{pointer === "" ? "the whole" : pointer}</code>{" "}
      {left !== undefined && (
        <>
          <span class="hidden">was </span>
          <del>{textOf(left)}</del>{" "}
        </>
      )}
      {right === undefined ? (
        <span class="muted">is absent</span>
      ) : (
        <>
          <span class="hidden">{left === undefined ? "is new: " : "is "}</span>
          <ins>{textOf(right)}</ins>
        </>
      )}
    </li>
  );
}

export interface ValueDifferenceListProps {
  readonly differences: readonly ValueDifference[];
  readonly label: string;
}

/** Lists the places where two values differ. */
export function ValueDifferenceList({ differences, label }: ValueDifferenceListProps) {
  return (
    <ul class="differences" aria-label={label}>
      {differences.slice(0, SHOWN).map((difference) => (
        <Line key={difference.pointer} {...difference} />
      ))}
      {differences.length > SHOWN && (
        <li class="muted">and {formatCounted(differences.length - SHOWN, "other difference")}</li>
      )}
    </ul>
  );
}
