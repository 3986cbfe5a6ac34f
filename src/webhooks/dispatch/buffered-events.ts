import type { Batches } from "./batches.ts";
import type { EventReader } from "./event-reader.ts";
import type { Reread } from "./lane.ts";
import type { Lanes } from "./lanes.ts";
import type { DeliveryEvent } from "./source.ts";

/** Characters of events that one query reads again: below the limit of a libSQL server's answers. */
const REREAD_CHARACTERS = 512 * 1024;

/** Positions of events, in portions that one query can read. */
function portions(events: readonly DeliveryEvent[]): number[][] {
  const all: number[][] = [[]];
  let characters = 0;
  for (const event of events) {
    characters += event.characters;
    if (characters > REREAD_CHARACTERS) {
      all.push([]);
      ({ characters } = event);
    }
    all.at(-1)?.push(event.position);
  }
  return all;
}

/** Reads all buffered events again, and replaces them by the remaining ones. */
export async function rereadBuffered(
  lanes: Lanes,
  batches: Batches | null,
  eventReader: Pick<EventReader, "readPositions">,
  now: () => number,
): Promise<void> {
  const buffered = [...(batches?.buffered() ?? []), ...lanes.pending()];
  if (buffered.length === 0) return;
  const positions = new Set(buffered.map(({ position }) => position));
  const found = new Map<number, DeliveryEvent>();
  for (const some of portions(buffered)) {
    for (const event of await eventReader.readPositions(some)) found.set(event.position, event);
  }
  const replace: Reread = (events) =>
    events.flatMap((event) => {
      // It was read meanwhile.
      if (!positions.has(event.position)) return [event];
      const current = found.get(event.position);
      if (current === undefined) return [];
      return [current.text === event.text && current.previous === event.previous ? event : current];
    });
  lanes.replace(replace, now());
  batches?.replace(replace);
}
