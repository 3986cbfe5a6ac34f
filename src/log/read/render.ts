import { ERASED_TYPE } from "../../core/event.ts";
import type { Value } from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../keys.ts";

/*
 * An event's form on the wire, built by the database: the stored JSON text is passed through, never parsed and
 * written again, and a page leaves the database as one text. `format` writes NULL as nothing, and is twice as
 * fast as joining with `||`. Aliases: `event`, `subject`.
 */

/** How a page is written: as a JSON array, a line each, or as server-sent events. */
export type Framing = "array" | "lines" | "event-stream";

/**
 * `time` is the producer's, and then `recordedtime` is when the log took the event; otherwise `time` is when
 * the log took it. `sequence` is padded to the digits of 2^53, so that it sorts as text in the order of versions.
 */
const BEGINNING = '{"specversion":"1.0","id":"';
const CLOUD_EVENT = `${BEGINNING}%d","source":%s,"type":%s,"subject":%s,"time":"%s","sequence":"%016d"%s%s%s%s}`;

// Neither a type nor the JSON that is stored can hold a line break, so that each field of a server-sent event is one line.
const SERVER_SENT = `id: %d-%s\nevent: %s\ndata: ${CLOUD_EVENT}\n\n`;

/** Whether the event's attributes state a content type of its data, which is then the first of them. */
const STATES_CONTENT_TYPE = `substr(event.extensions, 1, 19) = '{"datacontenttype":'`;

/** Whether an event has data: an older version stored an empty text for events that have none. */
export const HAS_DATA = "(event.data is not null and event.data <> '')";

/**
 * The event's data on one line. Line breaks within JSON stand between tokens only, so that those of events that an older
 * version stored verbatim become spaces. The event log's keys are its positions, and feeds' keys are greater than those.
 */
const DATA = `case when event.key > (select verbatim_until from logs where id = ${EVENT_LOG_ADDRESS.id}) then event.data
    else nullif(replace(replace(event.data, char(10), ' '), char(13), ' '), '') end`;

/** The first parameters of every statement that writes events: base key, path as JSON text, log id. */
export function renderingArgs({ id, name, base }: LogAddress): Value[] {
  return [base, JSON.stringify(name), id];
}

/** The log's identity in the state that the statement reads. SQLite evaluates it once for all rows. */
export const LOG_IDENTITY = "(select identity from logs where id = ?3)";

const SOURCE = `(select ?2 || ',"logidentity":"' || identity || '"' from logs where id = ?3)`;

function cloudEventValues(): string {
  return `event.key - ?1, ${SOURCE}, json_quote(event.type), json_quote(subject.name),
    case when event.time is null then event.recorded else event.time || '","recordedtime":"' || event.recorded end,
    event.version,
    case when event.extensions is not null then ',' || substr(event.extensions, 2, length(event.extensions) - 2) end,
    case when event.type = '${ERASED_TYPE}' then ',"method":"DELETE"' end,
    case when ${HAS_DATA} then
      case when event.extensions is not null and ${STATES_CONTENT_TYPE} then ',"data":'
      else ',"datacontenttype":"application/json","data":' end
    end,
    ${DATA}`;
}

/** The text around each event. In the array, a page's first and last byte become brackets: see `http/log/page-body.ts`. */
const FORMATS: Readonly<Record<Framing, string>> = {
  array: `\n${CLOUD_EVENT},`,
  lines: `${CLOUD_EVENT}\n`,
  "event-stream": SERVER_SENT,
};

/** The text before the position of an event: of the first one of a page, and of each that follows another. */
export const POSITION_MARKS: Readonly<Record<Framing, { readonly first: string; readonly next: string }>> = {
  array: { first: `\n${BEGINNING}`, next: `\n${BEGINNING}` },
  lines: { first: BEGINNING, next: `\n${BEGINNING}` },
  "event-stream": { first: "id: ", next: "\n\nid: " },
};

/** SQL for the text of one event. The first parameters are {@link renderingArgs}. */
export function eventText(): string {
  return `format('${CLOUD_EVENT}', ${cloudEventValues()})`;
}

/** SQL for one event within a page, which is these one after the other. Parameters as of {@link eventText}. */
export function framedEvent(framing: Framing): string {
  const values = cloudEventValues();
  return framing === "event-stream"
    ? `format('${FORMATS[framing]}', event.key - ?1, ${LOG_IDENTITY}, event.type, ${values})`
    : `format('${FORMATS[framing]}', ${values})`;
}
