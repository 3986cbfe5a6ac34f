import type { ComponentChildren } from "preact";

import { formatCount } from "../format/counts.ts";

export interface CountCardProps {
  readonly title: string;
  readonly href?: string;
  /** Counts by label, in the order in which they are shown; those of nothing are left out. */
  readonly counts: readonly (readonly [label: string, count: number, isProblem: boolean])[];
  /** Shown when all counts are 0. */
  readonly none: string;
  /** Shown below the counts. */
  readonly children?: ComponentChildren;
}

/** A card with a few counts. */
export function CountCard({ title, href, counts, none, children }: CountCardProps) {
  const shown = counts.filter(([, count]) => count > 0);
  return (
    <section class="card">
      <h2>{href === undefined ? title : <a href={href}>{title}</a>}</h2>
      {shown.length === 0 ? (
        <p class="muted">{none}</p>
      ) : (
        <dl class="counts">
          {shown.map(([label, count, isProblem]) => (
            <div key={label} class={isProblem ? "bad" : ""}>
              <dt>{label}</dt>
              <dd>{formatCount(count)}</dd>
            </div>
          ))}
        </dl>
      )}
      {shown.length > 0 && children}
    </section>
  );
}
