import type { Statement } from "../storage/database.ts";
import type { LogAddress } from "../log/keys.ts";
import { type Actor, authorship } from "./actor.ts";
import type { EntryType } from "./catalog.ts";
import { entry, recordEntries } from "./entry.ts";
import { restartSilence } from "./objectives/restart-silence.ts";

const REWOUND: EntryType = "kilde.consumer.rewound";

/** Arguments: 3 path of the log, 4 principal, 5 position, 6 log id, 7 name, 8 object with the reason, if there is one. */
const FIND_REWOUND = `(select json_array(json_array(?3 || '/consumers/' || name, '${REWOUND}',
    json_patch(json_object('principal', ?4, 'from', committed, 'to', cast(?5 as integer)), ?8)))
  from consumers where log = ?6 and name = ?7 and committed > ?5)`;

interface ConsumerChange extends Actor {
  readonly log: LogAddress;
  readonly name: string;
}

export interface ConsumerRewind extends ConsumerChange {
  readonly position: number;
}

/** Goes before the statement that lets a consumer commit a position: records that it goes back, if it does. */
export function recordConsumerRewind(
  { log, name, position, by, reason }: ConsumerRewind,
  now: string,
): Statement[] {
  const args = [log.name, by, position, log.id, name, JSON.stringify(reason === null ? {} : { reason })];
  return recordEntries({ sql: FIND_REWOUND, args }, now, "always");
}

/** Records that a consumer was forgotten, with statements `before` and right `after` the one that deletes it. */
export function recordForgottenConsumer(
  { log, name, ...actor }: ConsumerChange,
  now: string,
): Readonly<Record<"before" | "after", readonly Statement[]>> {
  const forgotten = entry(`${log.name}/consumers/${name}`, "kilde.consumer.forgotten", authorship(actor));
  return {
    before: [restartSilence(log, now, name)],
    after: recordEntries([forgotten], now, "changed"),
  };
}
