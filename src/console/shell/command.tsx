import { CopyText } from "./copy-text.tsx";

export interface CommandProps {
  /** A command of a shell, with its words quoted. */
  readonly command: string;
}

/** Shows a command with a button that copies it. */
export function Command({ command }: CommandProps) {
  return <CopyText text={command} label={`Copy the command ${command}`} />;
}
