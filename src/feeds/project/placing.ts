import type { DatedEvent } from "../../log/append/append-batch.ts";
import type { Placement } from "../../log/append/placement.ts";
import type { FeedSubject } from "../subjects.ts";
import { isLeft, type Place } from "./places.ts";
import { ORIGIN_EXTENSION } from "./source-rows.ts";

/** Places the events of a feed, each with its next version, or with the version of the place that is kept for it. */
export type FeedPlacement = Placement<FeedSubject, DatedEvent>;

function originOf(extensions: string): unknown {
  return (JSON.parse(extensions) as Record<string, unknown>)[ORIGIN_EXTENSION];
}

function putBack(placement: FeedPlacement, id: number | null, subject: string, place: Place): void {
  const { version, type, recorded, data, extensions } = place;
  const offset = placement.nextOffset();
  placement.place(subject, id, version, { type, time: null, recorded, data, extensions, offset });
}

/** Puts the events that erasures left right after a subject's version back there, and returns the subject after them. */
export function putBackPlaces(placement: FeedPlacement, subject: string, before: FeedSubject): FeedSubject {
  let { version } = before;
  let places = before.places.filter((place) => place.version > version);
  for (;;) {
    const place = places.find((each) => isLeft(each));
    if (place?.version !== version + 1) break;
    version += 1;
    putBack(placement, before.id, subject, place);
    places = places.filter((each) => each !== place);
  }
  if (version === before.version) return { ...before, places };
  return { ...before, version, places, stored: true, erased: false };
}

/**
 * The version of a subject's next event, after `version`: that of the place that is kept for the events of the same source
 * event. Skips the positions of the erased events before it.
 */
export function placeNext(
  placement: FeedPlacement,
  version: number,
  places: readonly Place[],
  type: string,
  extensions: string,
): number {
  if (places.length === 0) return version + 1;
  const place = places.find((each) => !isLeft(each) && each.version > version);
  if (place === undefined || place.type !== type || originOf(place.extensions) !== originOf(extensions))
    return version + 1;
  placement.skip(place.version - version - 1);
  return place.version;
}
