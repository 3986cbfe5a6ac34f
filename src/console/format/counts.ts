const COUNT = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Formats a whole number with separators: `1,234,567`. */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** Formats a number for a small place: `1.2M`. */
export function formatShort(count: number): string {
  return SHORT.format(count);
}

/** Formats a number of things: `1 event`, `2,000 events`. */
export function formatCounted(count: number, singular: string, plural = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : plural}`;
}

const BYTE_UNITS = ["bytes", "KiB", "MiB", "GiB"] as const;

/** Formats a number of bytes: `5.0 MiB`. */
export function formatBytes(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? formatCount(amount) : amount.toFixed(1)} ${BYTE_UNITS[unit] ?? ""}`;
}
