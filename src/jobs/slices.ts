import type { Clock } from "../core/clock.ts";
import type { Job, Slice } from "./job.ts";

export interface RunSlicesDeps {
  readonly clock: Clock;
  /** A signal that ends one of so many equal parts of what the runtime grants; see `Calls`. */
  readonly share: (parts: number) => AbortSignal;
  readonly onFailure: (work: string, error: unknown) => void;
}

/**
 * Gives each work a slice in turn, and again for as long as one of them did something: it may be what another
 * waits for, as a feed that is projected from a feed. Each slice is an equal part of the time and of the calls that are
 * left, but enough to get something done, so that a work which has much to do starves none: what one leaves of its part is
 * the others'. Calls may not last for all of many works, so the caller begins with another one each time.
 */
export async function runSlices(
  works: readonly Job[],
  { deadline, signal }: Slice,
  { clock, share, onFailure }: RunSlicesDeps,
): Promise<void> {
  let left = works;
  while (left.length > 0 && !signal.aborted) {
    let worked = false;
    const failed = new Set<Job>();
    for (const [index, work] of left.entries()) {
      if (signal.aborted) return;
      const parts = left.length - index;
      const now = clock.monotonic();
      const slice = {
        deadline: now + (deadline - now) / parts,
        signal: AbortSignal.any([signal, share(parts)]),
      };
      try {
        worked = (await work.run(slice)) === "worked" || worked;
      } catch (error) {
        failed.add(work);
        onFailure(work.name, error);
      }
    }
    if (!worked) return;
    left = left.filter((work) => !failed.has(work));
  }
}
