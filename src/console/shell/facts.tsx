import type { ComponentChildren } from "preact";

export interface FactsProps {
  /** Terms with their values; those of `undefined` are left out. */
  readonly facts: readonly (readonly [term: string, value: ComponentChildren | undefined])[];
}

/** A list of terms with their values. */
export function Facts({ facts }: FactsProps) {
  return (
    <dl class="facts">
      {facts.map(
        ([term, value]) =>
          value !== undefined && (
            <div key={term}>
              <dt>{term}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
