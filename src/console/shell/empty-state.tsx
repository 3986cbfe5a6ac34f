import type { ComponentChildren } from "preact";

import { Command } from "./command.tsx";

export interface EmptyStateProps {
  readonly title: string;
  /** The first step. */
  readonly children: ComponentChildren;
  /** The command that takes it. */
  readonly command?: string;
}

/** Shown where a list is empty: the first step, with a command to copy. */
export function EmptyState({ title, children, command }: EmptyStateProps) {
  return (
    <section class="empty">
      <h3>{title}</h3>
      <p>{children}</p>
      {command !== undefined && <Command command={command} />}
    </section>
  );
}
