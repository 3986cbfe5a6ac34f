import { type Database, integerAt, type Statement } from "../../storage/database.ts";
import { type LogAddress, LOG_SPAN } from "../keys.ts";

/*
 * Erasure generations: how often events were removed or replaced in a range of positions. A page that HTTP caches may
 * keep names the generation of its range in its URL, so that no reader is led to a copy from before an erasure, while
 * pages of other ranges stay cached. Rows exist only for chunks of positions where something was removed.
 */

/** Positions of a chunk: 2^10. */
const CHUNK_BITS = 10;
const CHUNK = 2 ** CHUNK_BITS;

/** Chunk of an event. The lower 40 bits of a key are the position (`keys.ts`). */
const CHUNK_OF_EVENT = `(event.key & ${2 ** 40 - 1}) >> ${CHUNK_BITS}`;

/** Keys of a chunk's events: the first, and the one after the last. */
export function chunkKeys(log: number, chunk: number): readonly [from: number, end: number] {
  const from = log * LOG_SPAN + chunk * CHUNK;
  return [from, from + CHUNK];
}

/** Arguments: log id, name, version. */
const RAISE_BELOW = `
insert into erasure_generations (log, chunk, generation)
select subject.log, ${CHUNK_OF_EVENT}, 1
from subjects as subject cross join events as event on event.subject = subject.id
where subject.log = ?1 and subject.name = ?2
  and event.version >= subject.first_version and event.version < ?3
group by 2
on conflict (log, chunk) do update set generation = generation + 1`;

/** Arguments: log id, JSON `[[subject id, first version, last version], …]`. */
const RAISE_VERSIONS = `
insert into erasure_generations (log, chunk, generation)
select ?1, ${CHUNK_OF_EVENT}, 1
from json_each(?2) as range cross join events as event on event.subject = range.value ->> 0
  and event.version >= range.value ->> 1 and event.version <= range.value ->> 2
where true group by 2
on conflict (log, chunk) do update set generation = generation + 1`;

/**
 * Goes before the statement that hides a subject's events below a version, in the same batch, with `removalStatement`
 * after it.
 */
export function raiseBelow(log: LogAddress, subject: string, version: number): Statement {
  return { sql: RAISE_BELOW, args: [log.id, subject, version] };
}

/** Versions of a subject, both included. */
export type VersionRange = readonly [subjectId: number, low: number, high: number];

/** Goes into the batch that changes events in their places, with `removalStatement`. */
export function raiseVersions(log: LogAddress, ranges: readonly VersionRange[]): Statement {
  return { sql: RAISE_VERSIONS, args: [log.id, JSON.stringify(ranges)] };
}

/** A range of positions, both of which are in it. */
export interface PositionRange {
  readonly from: number;
  readonly through: number;
}

/** The range of whole chunks that a range lies in. */
export function wholeChunks({ from, through }: PositionRange): PositionRange {
  return { from: Math.floor(from / CHUNK) * CHUNK, through: (Math.floor(through / CHUNK) + 1) * CHUNK - 1 };
}

/** Arguments: log id, JSON `[[first chunk, last chunk], …]`. */
const SELECT_GENERATIONS = `
select log.removals, coalesce((select sum(generation) from erasure_generations
  where log = ?1 and chunk between cast(range.value ->> 0 as integer) and cast(range.value ->> 1 as integer)), 0)
from json_each(?2) as range cross join logs as log on log.id = ?1 order by range.key`;

export interface Generations {
  /** How often something was removed from the log at all. */
  readonly removals: number;
  /** Generation of each range, in their order. */
  readonly generations: readonly number[];
}

/** Looks up the generations of ranges, all in one state of the database. */
export async function readGenerations(
  database: Database,
  log: LogAddress,
  ranges: readonly PositionRange[],
): Promise<Generations> {
  const chunks = ranges.map(({ from, through }) => [Math.floor(from / CHUNK), Math.floor(through / CHUNK)]);
  const rows = await database.read({ sql: SELECT_GENERATIONS, args: [log.id, JSON.stringify(chunks)] });
  return {
    removals: rows[0] === undefined ? 0 : integerAt(rows[0], 0),
    generations: rows.map((row) => integerAt(row, 1)),
  };
}
