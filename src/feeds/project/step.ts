import type { Lease } from "../../storage/lease.ts";
import type { ProjectionFailure } from "../record.ts";

export type Step =
  | {
      readonly kind: "projected";
      /** Position in the source up to which it is projected, and the source's head. */
      readonly cursor: number;
      readonly head: number;
      /** Source events a second. */
      readonly rate: number;
      /** Duration of the database's write. */
      readonly writeMs: number;
      readonly building: boolean;
    }
  /**
   * All events up to `position` are projected, which is where to wait. `unwritten`: the cursor lags behind it. `pending`:
   * the source is a feed that is not live, and may become so without publishing anything.
   */
  | {
      readonly kind: "caught-up";
      readonly position: number;
      readonly unwritten: boolean;
      readonly pending: boolean;
    }
  /** Events were erased, or traced; there may be more to do before the next events are projected. */
  | { readonly kind: "maintained"; readonly writeMs: number }
  /** Others wrote to the feed, or took it over: look again. */
  | { readonly kind: "outdated" }
  | { readonly kind: "halted"; readonly failure: ProjectionFailure }
  /** Another release has published events that this one cannot, or defined the draft in another way. */
  | { readonly kind: "superseded" }
  /** The feed is being emptied, to begin again. */
  | { readonly kind: "emptied" }
  | { readonly kind: "gone" };

export interface StepOptions {
  readonly lease: Lease;
  /** Retry the event at which the feed is halted. */
  readonly retry: boolean;
  /** Write a cursor that lags, even without an event to publish. */
  readonly flush: boolean;
}
