import { BATCH_BYTES, type BatchSource, createBatchSize, readBatch } from "../../storage/batch-size.ts";
import type { Database, Statement } from "../../storage/database.ts";
import { renewedError } from "../../storage/failures.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type EventFilter, fittingSelection, type EventSelection } from "../../log/read/pages.ts";
import { type DeliveryEvent, deliveryStatement, positionsStatement, readDeliveries } from "./source.ts";

/** Most events that one query returns and most positions that it examines, so that none takes long. */
const READ_EVENTS = 512;
const READ_WINDOW = 10_000;
/** Events of one subject that are read at a time; fewer of one that failed, whose first may fail again. */
const LANE_EVENTS = 64;
const RETRY_EVENTS = 16;

interface LaneRange {
  readonly next: number;
  readonly stop: number | null;
  readonly upTo: number;
  /** Whether the last attempt at the subject failed. */
  readonly isRetry: boolean;
}

/** Reads the events to deliver: all subjects in the order of the log, or one subject. */
export interface EventReader {
  /** Reads after a position, up to a head. `upTo`: the position up to which it read. */
  read(
    after: number,
    head: number,
  ): Promise<{ readonly events: readonly DeliveryEvent[]; readonly upTo: number }>;
  /** Events of a subject from a version on, up to a position. `end`: there are no more. */
  readLane(
    subject: number,
    range: LaneRange,
  ): Promise<{ readonly events: readonly DeliveryEvent[]; readonly end: boolean }>;
  /** The events at these positions that still exist. */
  readPositions(positions: readonly number[]): Promise<readonly DeliveryEvent[]>;
}

export interface EventReaderOptions {
  readonly database: Database;
  readonly log: LogAddress;
  readonly filter: EventFilter;
  /** Identity of the log: reading rejects when the log has another one (`isRenewed`). */
  readonly identity: string;
}

export function createEventReader({ database, log, filter, identity }: EventReaderOptions): EventReader {
  const read = async (statement: Statement): Promise<DeliveryEvent[] | null> => {
    const events = await readDeliveries(database, statement);
    if (events?.some((event) => event.identity !== identity) === true) throw renewedError(log.name);
    return events;
  };
  const readSize = createBatchSize(READ_EVENTS);
  const laneSize = createBatchSize(LANE_EVENTS);
  const retrySize = createBatchSize(RETRY_EVENTS);
  const batchOf = (selection: Omit<EventSelection, "limit">): BatchSource<DeliveryEvent> => ({
    span: selection.before - selection.after - 1,
    database,
    fitting: (limit) => fittingSelection(log, { ...selection, limit }, BATCH_BYTES),
    read: (limit, mostBytes) => read(deliveryStatement(log, { ...selection, limit }, mostBytes)),
  });
  return {
    async read(after, head) {
      const end = Math.min(head, after + READ_WINDOW);
      const range = { source: "log", after, before: end + 1, direction: "forwards" } as const;
      const { rows: events, limit } = await readBatch(readSize, batchOf({ ...range, filter }));
      return { events, upTo: events.length < limit ? end : (events.at(-1)?.position ?? end) };
    },
    async readLane(subject, { next, stop, upTo, isRetry }) {
      const range = {
        source: { subjectId: subject },
        after: next - 1,
        before: stop === null ? Number.MAX_SAFE_INTEGER : stop + 1,
        direction: "forwards",
      } as const;
      const { rows: events, limit } = await readBatch(
        isRetry ? retrySize : laneSize,
        batchOf({ ...range, filter }),
      );
      // The shared read returns later events.
      const within = events.filter(({ position }) => position <= upTo);
      return { events: within, end: within.length < limit };
    },
    async readPositions(positions) {
      if (positions.length === 0) return [];
      const events = (await read(positionsStatement(log, filter, positions))) ?? [];
      return events.filter(({ name }) => name.startsWith(filter.subjectPrefix ?? ""));
    },
  };
}
