import { integerAt } from "../../storage/database.ts";
import type { Doorbell } from "./doorbell.ts";
import type { SourceReader } from "./reading.ts";
import { anyStatement } from "./source.ts";
import type { WalkDeps } from "../subscriptions/walk.ts";

/** Positions that one query looks through. */
const RING_WINDOW = 10_000;

/** Reads a log only for whether there is something that the subscription selects. */
export function createDoorbellReader(
  { database, log, filter }: WalkDeps,
  doorbell: Doorbell,
  cursor: number,
): SourceReader {
  let frontier = cursor;
  const isWhole = filter.types === undefined && filter.subjectPrefix === undefined;
  return {
    frontier: () => frontier,
    rewind: () => null,
    wants: (head) => frontier < head,
    hasRoom: () => true,
    async readOn(head) {
      const upTo = isWhole ? head : Math.min(head, frontier + RING_WINDOW);
      const [row] = isWhole
        ? [[1]]
        : await database.read(anyStatement(log, filter, { after: frontier, upTo }));
      if (integerAt(row, 0) === 1) doorbell.see(upTo);
      else doorbell.pass(upTo);
      frontier = upTo;
    },
    load: () => Promise.resolve(),
  };
}
