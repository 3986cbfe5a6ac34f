import { EVENT_ERASED_TYPE } from "../../core/event.ts";

/**
 * Erases events in place: they keep their positions and versions. Events with which Kilde reports erasures stay.
 * Arguments: JSON of `VersionRange`s.
 */
export const WIPE_VERSIONS = `
update events set type = '${EVENT_ERASED_TYPE}', time = null, data = null,
  extensions = json_object('projectedfrom', extensions ->> '$.projectedfrom')
where key in (select event.key from json_each(?1) as range cross join events as event
  on event.subject = range.value ->> 0 and event.version >= range.value ->> 1 and event.version <= range.value ->> 2)
and type not glob 'kilde.*'`;
