import type { Clock } from "../../core/clock.ts";
import { createTimeSlices } from "../../core/time-slices.ts";
import type { Database } from "../../storage/database.ts";

/** All readers of a database share its slices. */
const known = new WeakMap<Database, Database>();

/** A database whose reads leave the event loop to others, as far as they block it. */
export function readInSlices(database: Database, clock: Clock): Database {
  if (!database.embedded) return database;
  const found = known.get(database);
  if (found !== undefined) return found;
  const slices = createTimeSlices(clock);
  const sliced: Database = {
    ...database,
    read: (statement) => slices.run(() => database.read(statement)),
  };
  known.set(database, sliced);
  return sliced;
}
