import type { RunEvent } from "../feeds/project/run.ts";
import type { EventLogger } from "./event-logger.ts";

/** Logs the events of projections. */
export function logFeedEvent(logger: EventLogger, event: RunEvent): void {
  const { feed } = event;
  switch (event.kind) {
    case "live":
      logger.info({ feed }, "feed is live");
      return;
    case "building": {
      const { cursor, head, eventsPerSecond, secondsLeft } = event;
      logger.info({ feed, cursor, head, eventsPerSecond, secondsLeft }, "feed is being built");
      return;
    }
    case "older":
      logger.warn(
        { feed },
        "feed is projected by an older release than published it last: only what its published contract allows is published",
      );
      return;
    case "superseded":
      logger.error(
        { feed },
        "feed is no longer projected here: another release defines it in a way that excludes this one's",
      );
      return;
    case "halted":
      logger.error({ feed, position: event.position, reason: event.message }, "feed is halted");
      return;
    case "failed":
      logger.error({ feed, err: event.error }, "projection failed; retrying");
  }
}
