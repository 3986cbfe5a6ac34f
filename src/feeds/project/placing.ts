import { isLeft } from "./places.ts";
import type { DatedEventRow } from "../../log/append/append-batch.ts";
import { ORIGIN_EXTENSION } from "./source.ts";
import type { FeedSubject } from "../subjects.ts";

/** An event that is to be placed. */
interface UnplacedEvent {
  readonly type: string;
  readonly time: string | null;
  readonly recorded: string;
  readonly data: string | null;
  readonly extensions: string;
}

function originOf(extensions: string): unknown {
  return (JSON.parse(extensions) as Record<string, unknown>)[ORIGIN_EXTENSION];
}

/** Events of a batch, each after the version of its subject, or in the place that is kept for it. */
export function createPlacing() {
  const events: DatedEventRow[] = [];
  let positions = 0;

  const push = ({ id }: FeedSubject, subject: string, version: number, event: UnplacedEvent) => {
    const { type, time, recorded, data, extensions } = event;
    const name = id === null ? subject : null;
    events.push([id, name, version, type, time, data, extensions, recorded, positions]);
    positions += 1;
  };

  /** Puts the events that erasures left right after a subject's version back there. */
  const settle = (before: FeedSubject, subject: string) => {
    let { version } = before;
    let places = before.places.filter((place) => place.version > version);
    for (;;) {
      const place = places.find((each) => isLeft(each));
      if (place?.version !== version + 1) return { version, places };
      version += 1;
      push(before, subject, version, { ...place, time: null });
      places = places.filter((each) => each !== place);
    }
  };

  /** The version of a subject's next event: that of the place that is kept for the events of the same source event. */
  const versionFor = ({ version, places }: FeedSubject, type: string, extensions: string): number => {
    const place = places.find((each) => !isLeft(each) && each.version > version);
    if (place === undefined || place.type !== type || originOf(place.extensions) !== originOf(extensions))
      return version + 1;
    // The erased events before it had positions, too.
    positions += place.version - version - 1;
    return place.version;
  };

  return { events, push, settle, versionFor, positions: () => positions };
}
