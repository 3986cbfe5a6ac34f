import type { Message } from "./message.ts";
import type { Verdict } from "./verdict.ts";

/** Something to be sent now. */
export interface Parcel {
  readonly message: Message;
  /** Events in it. */
  readonly events: number;
  /** Null for what is not about one subject. */
  readonly subject: string | null;
  /** Whether it is tried for the first time. */
  readonly fresh: boolean;
  /** Told what became of it; the parcel is then of no more use. */
  settle(verdict: Verdict, now: number): void;
}
