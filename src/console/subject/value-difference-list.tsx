import type { ValueDifference } from "../../core/value-differences.ts";
import { DifferenceList } from "../shell/difference-list.tsx";

/** Longest text of a value, in characters. */
const SHOWN_CHARACTERS = 200;

function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS).toWellFormed()}…` : text;
}

export interface ValueDifferenceListProps {
  readonly differences: readonly ValueDifference[];
  readonly label: string;
}

/** Lists the places where two JSON values differ. */
export function ValueDifferenceList({ differences, label }: ValueDifferenceListProps) {
  const shown = differences.map(({ pointer, left, right }) => ({
    place: pointer,
    before: textOf(left),
    after: textOf(right),
  }));
  return <DifferenceList differences={shown} label={label} />;
}
