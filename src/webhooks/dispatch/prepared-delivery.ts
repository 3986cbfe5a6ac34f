import type { Message } from "../endpoint/message.ts";
import type { Verdict } from "../endpoint/verdict.ts";

/** What became of a parcel, and when. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly now: number;
  /** Whether the endpoint as a whole fails or pauses after this: then the failure says little about what was sent. */
  readonly isDown: boolean;
}

/** Stands for the subject of what is about none, such as a doorbell. */
export const NO_SUBJECT = 0;

/** Something to be sent now. */
export interface PreparedDelivery {
  readonly message: Message;
  /** Events in it. */
  readonly events: number;
  /** Null for what is not about one subject. */
  readonly subject: string | null;
  /** Ids of the subjects in it; of a doorbell {@link NO_SUBJECT}. */
  readonly subjects: Iterable<number>;
  /** Whether a failure of it is news: it is the first of what is sent. */
  readonly fresh: boolean;
  /** Whether others can be sent while it waits. */
  readonly isAlone: boolean;
  /** Reports the outcome; the parcel cannot be used afterwards. */
  settle(outcome: Outcome): void;
}
