import type { Signal } from "@preact/signals";

import { TextField } from "./text-field.tsx";

const HOUR_SECONDS = 3_600;

/** Returns the seconds of a typed number of hours; null: it is no such number. */
export function overlapSecondsOf(hours: string): number | null {
  const seconds = Math.round(Number(hours) * HOUR_SECONDS);
  return hours.trim() === "" || !(seconds >= 0) ? null : seconds;
}

export interface OverlapFieldProps {
  readonly hours: Signal<string>;
  readonly hint: string;
}

/** Asks for the time for which an old secret is valid beside the new one. */
export function OverlapField({ hours, hint }: OverlapFieldProps) {
  return <TextField label="Overlap in hours" type="number" text={hours} hint={hint} isRequired />;
}
