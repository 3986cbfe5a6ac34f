import { useSignal } from "@preact/signals";
import { useEffect, useId } from "preact/hooks";

import { startTimer } from "../../core/timer.ts";

/** Time after the last key until the list follows the typed text. */
const TYPING_MS = 200;

export interface SearchFieldProps {
  readonly label: string;
  /** The text that the list follows. */
  readonly value: string;
  readonly placeholder: string;
  /** Called when the user has typed another text. */
  readonly onSearch: (text: string) => void;
}

/** A field for the beginning of names. */
export function SearchField({ label, value, placeholder, onSearch }: SearchFieldProps) {
  const id = useId();
  const typed = useSignal(value);
  useEffect(() => {
    typed.value = value;
  }, [value]);
  useEffect(
    () =>
      startTimer(TYPING_MS, () => {
        if (typed.value !== value) onSearch(typed.value);
      }),
    [typed.value],
  );
  return (
    <search class="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="search"
        value={typed.value}
        placeholder={placeholder}
        autoComplete="off"
        spellcheck={false}
        onInput={({ currentTarget }) => {
          typed.value = currentTarget.value;
        }}
      />
    </search>
  );
}
