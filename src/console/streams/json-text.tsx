import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";

import { formatBytes } from "../format/counts.ts";
import { hasInexactNumber } from "./inexact-number.ts";

/** Longest text that is shown at once, in characters: a browser takes seconds to lay out megabytes. */
const SHOWN_CHARACTERS = 20_000;

export interface JsonTextProps {
  readonly text: string;
  /** The value that the text was made of, if it was parsed before. */
  readonly value?: unknown;
  readonly label: string;
}

/** Shows JSON, or the beginning of a long one. */
export function JsonText({ text, value, label }: JsonTextProps) {
  const isWhole = useSignal(false);
  const isLong = text.length > SHOWN_CHARACTERS;
  const shown = isLong && !isWhole.value ? text.slice(0, SHOWN_CHARACTERS).toWellFormed() : text;
  const isInexact = useMemo(() => hasInexactNumber(value), [value]);
  return (
    <>
      {isInexact && (
        <p class="warning">
          Browsers round numbers beyond 2^53, as in this text. The raw event has them exactly.
        </p>
      )}
      <pre tabIndex={0} aria-label={label}>
        {shown}
        {shown !== text && "…"}
      </pre>
      {isLong && !isWhole.value && (
        <button
          type="button"
          onClick={() => {
            isWhole.value = true;
          }}
        >
          Show all {formatBytes(text.length)}
        </button>
      )}
    </>
  );
}
