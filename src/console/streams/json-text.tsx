import { useSignal } from "@preact/signals";

import { formatBytes } from "../format/counts.ts";

/** Longest text that is shown at once, in characters: a browser takes seconds to lay out megabytes. */
const SHOWN_CHARACTERS = 20_000;

export interface JsonTextProps {
  readonly text: string;
  readonly label: string;
}

/** Shows JSON, or the beginning of a long one. */
export function JsonText({ text, label }: JsonTextProps) {
  const isWhole = useSignal(false);
  const isLong = text.length > SHOWN_CHARACTERS;
  const shown = isLong && !isWhole.value ? text.slice(0, SHOWN_CHARACTERS).toWellFormed() : text;
  return (
    <>
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
