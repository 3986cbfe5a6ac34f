/** A busy machine needs it; no test should come near. It is shorter than the timeout of tests, so that it is reported. */
const PATIENCE_MS = 30_000;

const POLL_MS = 5;

type Found<Result> = Exclude<Result, false | null | undefined>;

interface EventuallyOptions {
  readonly withinMs?: number;
  readonly pollMs?: number;
}

/**
 * Looks until there is something to see, and returns it: anything but `false`, `null` and `undefined`. An error of `look`
 * fails the wait.
 *
 * @example
 * await eventually(() => received.length === 3);
 */
export async function eventually<Result>(
  look: () => Result | Promise<Result>,
  { withinMs = PATIENCE_MS, pollMs = POLL_MS }: EventuallyOptions = {},
): Promise<Found<Result>> {
  for (const end = performance.now() + withinMs; ;) {
    // In this order: a machine that stood still for long gets one more look.
    const isLast = performance.now() > end;
    const result = await look();
    if (result !== false && result !== null && result !== undefined) return result as Found<Result>;
    if (isLast) throw new Error(`It did not happen within ${withinMs} ms: ${String(look)}`);
    await Bun.sleep(pollMs);
  }
}
