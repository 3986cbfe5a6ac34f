import { integerAt } from "../../storage/database.ts";
import type { Doorbell } from "./doorbell.ts";
import type { SourceReader } from "./source-reader.ts";
import { anyStatement } from "./source.ts";
import type { WalkDeps } from "../subscriptions/walk.ts";

/** Positions that one query examines. */
const WINDOW = 10_000;

/** Creates a reader that only checks whether the log has events that the subscription selects. */
export function createDoorbellReader(
  { database, log, filter }: WalkDeps,
  doorbell: Doorbell,
  cursor: number,
): SourceReader {
  let frontier = cursor;
  const { types, subjectPrefix, exceptSubject } = filter;
  const isWhole = types === undefined && subjectPrefix === undefined && exceptSubject === undefined;
  return {
    frontier: () => frontier,
    rewind: () => null,
    hasMore: (head) => frontier < head,
    hasRoom: () => true,
    async readNext(head) {
      const upTo = isWhole ? head : Math.min(head, frontier + WINDOW);
      const [row] = isWhole
        ? [[1]]
        : await database.read(anyStatement(log, filter, { after: frontier, upTo }));
      if (integerAt(row, 0) === 1) doorbell.addSelected(upTo);
      else doorbell.addUnselected(upTo);
      frontier = upTo;
    },
    load: () => Promise.resolve(),
  };
}
