import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";

import { startTimer } from "../../core/timer.ts";

const COPIED_MS = 2_000;

export interface CommandProps {
  /** A command of a shell, with its words quoted. */
  readonly command: string;
}

/** Shows a command with a button that copies it. */
export function Command({ command }: CommandProps) {
  const text = useRef<HTMLElement>(null);
  const note = useSignal("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      note.value = "Copied";
    } catch {
      // Browsers grant the clipboard over TLS only, and may ask the user.
      if (text.current !== null) getSelection()?.selectAllChildren(text.current);
      note.value = "Selected: press Ctrl+C to copy";
    }
    startTimer(COPIED_MS, () => {
      note.value = "";
    });
  };
  return (
    <div class="command">
      <code ref={text}>{command}</code>
      <button type="button" onClick={() => void copy()} aria-label={`Copy the command ${command}`}>
        Copy
      </button>
      <span role="status">{note.value}</span>
    </div>
  );
}
