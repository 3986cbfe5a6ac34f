import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { startTimer } from "../../core/timer.ts";

const COPIED_MS = 2_000;

export interface CopyTextProps {
  readonly text: string;
  /** Label of the button for readers who do not see the text. */
  readonly label: string;
}

/** Shows a text with a button that copies it. */
export function CopyText({ text, label }: CopyTextProps) {
  const code = useRef<HTMLElement>(null);
  const note = useSignal("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      note.value = "Copied";
    } catch {
      // Browsers grant the clipboard over TLS only, and may ask the user.
      if (code.current !== null) getSelection()?.selectAllChildren(code.current);
      note.value = "Selected: press Ctrl+C to copy";
    }
    startTimer(COPIED_MS, () => {
      note.value = "";
    });
  };
  return (
    <div class="command">
      <code ref={code}>{text}</code>
      <button type="button" onClick={() => void copy()} aria-label={label}>
        Copy
      </button>
      <span role="status">{note.value}</span>
    </div>
  );
}
