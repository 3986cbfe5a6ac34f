import type { Signal } from "@preact/signals";

import { TextField } from "./text-field.tsx";

/** Longest reason that the server records. */
const MOST_CHARACTERS = 500;

export interface ReasonFieldProps {
  readonly reason: Signal<string>;
  readonly isRequired?: boolean;
}

/** Asks for the reason of a change, which the log of administration records. */
export function ReasonField({ reason, isRequired = false }: ReasonFieldProps) {
  return (
    <TextField
      label={`Reason, for the log of administration${isRequired ? "" : " (optional)"}`}
      text={reason}
      isRequired={isRequired}
      maxLength={MOST_CHARACTERS}
    />
  );
}
