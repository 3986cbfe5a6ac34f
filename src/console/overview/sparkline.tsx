const HEIGHT = 40;

export interface SparklineProps {
  readonly values: readonly number[];
  /** Describes the values to readers who do not see the line. */
  readonly label: string;
}

/** The line through the values, from the first at the left to the last at the right. */
export function linePath(values: readonly number[]): string {
  const highest = Math.max(...values) || 1;
  return values
    .map(
      (value, index) => `${index === 0 ? "M" : "L"}${index} ${(HEIGHT * (1 - value / highest)).toFixed(1)}`,
    )
    .join("");
}

/** Shows how a number developed. */
export function Sparkline({ values, label }: SparklineProps) {
  if (values.length < 2) return <p class="muted">The line begins with the next minutes.</p>;
  return (
    <svg
      class="sparkline"
      role="img"
      aria-label={label}
      viewBox={`0 -2 ${values.length - 1} ${HEIGHT + 4}`}
      preserveAspectRatio="none"
    >
      <path d={linePath(values)} vector-effect="non-scaling-stroke" />
    </svg>
  );
}
