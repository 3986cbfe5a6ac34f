import {
  type Database,
  integerAt,
  type Row,
  type Statement,
  textAt,
  type Value,
} from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import type { SourceEvent } from "../define/define.ts";

/*
 * Events of a feed's source as rows, a hot path. The database sends each column of a batch as one JSON array: the driver
 * takes a tenth of a microsecond for each value that it hands over, and JSON.parse takes a fraction of that.
 */

/** An event of the source, with the attributes that its published events take over. */
export interface SourceRow {
  readonly event: SourceEvent;
  /** Its place in the log that is read. `event.position` is that in the event log, which a rebuild repeats. */
  readonly position: number;
  /** Grows in the order in which the feed gathers events: the position, unless the feed merges. */
  readonly place: number;
  /** As stored: null when it is when it was recorded. */
  readonly time: string | null;
  readonly recorded: string;
  /** Length of its data and extensions: the average of the rows that were read with it. */
  readonly characters: number;
}

/** Name of the extension with the position in the event log of the event that another is published for. */
export const ORIGIN_EXTENSION = "projectedfrom";

/** The extensions of every event that has none. Frozen, because handlers receive it. */
export const NO_EXTENSIONS: SourceEvent["extensions"] = Object.freeze({});

/** `from … limit` of matching events, with the values that it binds. */
export interface SourceRange {
  readonly from: string;
  readonly args: readonly Value[];
  /** SQL: `SourceRow.place`. Default: the position. */
  readonly place?: string;
}

/**
 * SQL: a text that is not empty, or NULL where it has more bytes than the argument `bound`. An older version stored an
 * empty text for events without data.
 */
const bounded = (column: string, bound: string) =>
  `case when octet_length(${column}) > ${bound} then null when ${column} <> '' then ${column} end`;

/** SQL: a column of JSON texts as the text of one array. */
const joined = (column: string) => `'[' || group_concat(ifnull(${column}, 'null')) || ']'`;

/**
 * Selects the events of a range as one row of columns, with content up to `mostBytes` each; null: whatever its size. The
 * order of the range remains, since each has a limit.
 */
export function rowsStatement(
  { from, args, place = "null" }: SourceRange,
  mostBytes: number | null,
): Statement {
  const bound = `?${args.length + 1}`;
  const selected = `select event.key as key, subject.name as name, event.version as version, event.type as type,
    event.time as time, event.recorded as recorded, ${bounded("event.data", bound)} as data,
    ${bounded("event.extensions", bound)} as extensions, ${place} as place,
    max(ifnull(octet_length(event.data), 0), ifnull(octet_length(event.extensions), 0)) as bytes ${from}`;
  const columns = [
    "count(*)",
    `ifnull(max(bytes) > ${bound}, 0)`,
    ...["key", "name", "version", "type"].map((column) => `json_group_array(${column})`),
    "iif(count(time) = 0, null, json_group_array(time))",
    "json_group_array(recorded)",
    joined("data"),
    `iif(count(extensions) = 0, null, ${joined("extensions")})`,
    "iif(count(place) = 0, null, json_group_array(place))",
  ];
  return {
    sql: `select ${columns.join(", ")} from (${selected})`,
    args: [...args, mostBytes ?? Number.MAX_SAFE_INTEGER],
  };
}

/** A column of values; null where every value is NULL. */
function columnAt<Item>(row: Row | undefined, column: number): readonly Item[] | null {
  const text = row?.[column];
  return typeof text === "string" ? (JSON.parse(text) as readonly Item[]) : null;
}

interface Content {
  readonly extensions: SourceEvent["extensions"];
  /** The position in the event log, where another log states it. */
  readonly origin: unknown;
}

const WITHOUT_EXTENSIONS: Content = { extensions: NO_EXTENSIONS, origin: undefined };

function contentOf(stored: Readonly<Record<string, unknown>> | null | undefined): Content {
  if (stored === null || stored === undefined) return WITHOUT_EXTENSIONS;
  const { [ORIGIN_EXTENSION]: origin, ...extensions } = stored;
  return { extensions, origin };
}

/** Reads the events of a range. Null: the content of one of them exceeds `mostBytes`. */
export async function readRows(
  database: Pick<Database, "read">,
  log: LogAddress,
  range: SourceRange,
  mostBytes: number | null,
): Promise<SourceRow[] | null> {
  const [row] = await database.read(rowsStatement(range, mostBytes));
  const count = integerAt(row, 0);
  if (integerAt(row, 1) === 1) return null;
  if (count === 0) return [];
  const names = columnAt<string>(row, 3) ?? [];
  const versions = columnAt<number>(row, 4) ?? [];
  const types = columnAt<string>(row, 5) ?? [];
  const times = columnAt<string | null>(row, 6);
  const recordedTimes = columnAt<string>(row, 7) ?? [];
  const data = columnAt<unknown>(row, 8) ?? [];
  const extensionTexts = columnAt<Record<string, unknown> | null>(row, 9);
  const places = columnAt<number>(row, 10);
  const length = textAt(row, 8).length + (extensionTexts === null ? 0 : textAt(row, 9).length);
  const characters = Math.ceil(length / count);
  return (columnAt<number>(row, 2) ?? []).map((key, index): SourceRow => {
    const position = key - log.base;
    const { extensions, origin } = contentOf(extensionTexts?.[index]);
    const time = times?.[index] ?? null;
    const recorded = recordedTimes[index] as string;
    return {
      position,
      place: places?.[index] ?? position,
      time,
      recorded,
      characters,
      event: {
        type: types[index] as string,
        subject: names[index] as string,
        version: versions[index] as number,
        position: log.id === 0 ? position : Number(origin),
        time: time ?? recorded,
        data: data[index],
        extensions,
      },
    };
  });
}
