/** Positions a log has room for: 2^40, about 10^12. 2^13 logs of them fit a JavaScript integer. */
export const LOG_SPAN = 2 ** 40;

/** A log as the queries need it: its id, its path, and the key its positions count from. */
export interface LogAddress {
  readonly id: number;
  readonly name: string;
  readonly base: number;
}

/** The log of this id and path. */
export function logAddress(id: number, name: string): LogAddress {
  return { id, name, base: id * LOG_SPAN };
}

/** The event log. Feeds and the log of administration are logs 1 and up. */
export const EVENT_LOG_ADDRESS: LogAddress = logAddress(0, "/events");
