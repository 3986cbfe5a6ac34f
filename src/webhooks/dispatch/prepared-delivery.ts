import type { Message } from "../endpoint/message.ts";
import type { Verdict } from "../endpoint/verdict.ts";
import type { DeliveryEvent } from "./source.ts";

/** The outcome of a delivery, and its time. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly now: number;
  /** Whether the endpoint as a whole is down or paused after this: then the failure hardly reflects on the delivery. */
  readonly isDown: boolean;
}

/** The subject id of a delivery without a subject, such as a doorbell. */
export const NO_SUBJECT = 0;

/** A delivery that is ready to be sent. */
export interface PreparedDelivery {
  readonly message: Message;
  /** Its events; of a doorbell none. */
  readonly events: readonly Pick<DeliveryEvent, "position" | "subject" | "version" | "text">[];
  /** Null for a delivery that is not about one subject. */
  readonly subject: string | null;
  /** Ids of its subjects; of a doorbell {@link NO_SUBJECT}. */
  readonly subjects: Iterable<number>;
  /** Whether it is the first attempt, so that a failure counts against the endpoint. */
  readonly fresh: boolean;
  /** Whether others can be sent while it waits. */
  readonly isAlone: boolean;
  /** Reports the outcome; the delivery must not be used afterwards. */
  settle(outcome: Outcome): void;
}
