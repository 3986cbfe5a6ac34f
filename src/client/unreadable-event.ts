import { isErrorNamed } from "../core/errors.ts";

/** The server sent an event that is not JSON. Another read returns the same text: the store needs repair. */
export class UnreadableEventError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "UnreadableEventError");
  }

  override readonly name = "UnreadableEventError";
  /** Path of the log, stream or subject that was read: `/events`. */
  readonly log: string;
  /** Position of the event; null when the answer does not show it. */
  readonly position: number | null;

  constructor(log: string, position: number | null, options?: ErrorOptions) {
    const event = position === null ? "An event" : `Event ${position}`;
    super(`${event} of ${log} is not JSON`, options);
    this.log = log;
    this.position = position;
  }
}
