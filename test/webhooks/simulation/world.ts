import type { Outgoing } from "../../../src/webhooks/egress/outgoing.ts";
import { chanceOf } from "../../support/chance.ts";
import type { MadeTime } from "./clock.ts";
import type { SimulationOptions } from "./options.ts";

export const START = Date.UTC(2026, 0, 1);
export const SUBSCRIPTION = "sub_simulated";
export const FIRST_SECRET = `whsec_${Buffer.from("the first secret of a simulation").toString("base64")}`;
export const DOORBELL = "kilde.doorbell";

/** The shared state of one simulation. Each draw of `chance` belongs to the seed, so their order must not change. */
export interface World {
  readonly options: SimulationOptions;
  readonly time: MadeTime;
  readonly chance: () => number;
  /** A whole number below `most`. */
  readonly upTo: (most: number) => number;
  /** Violations of the checks. */
  readonly faults: string[];
  /** Time since which nothing fails any more; null while faults happen. */
  calmSinceMs: number | null;
  /** How far the database's clock was corrected. */
  databaseStepMs: number;
}

export function createWorld(options: SimulationOptions, time: MadeTime): World {
  const chance = chanceOf(options.seed);
  return {
    options,
    time,
    chance,
    upTo: (most) => Math.floor(chance() * most),
    faults: [],
    calmSinceMs: null,
    databaseStepMs: 0,
  };
}

/** Every fourth subject has a name that a filter may leave out. */
export const nameOf = (subject: number) => `${subject % 4 === 3 ? "t" : "s"}-${subject}`;

/** An event in a request. */
export interface SentEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly head?: number };
  readonly subject: string;
  readonly sequence: string;
  readonly previoussequence: string;
}

export function eventsOf({ body }: Outgoing): readonly SentEvent[] {
  const parsed = JSON.parse(body ?? "") as SentEvent | SentEvent[];
  return Array.isArray(parsed) ? parsed : [parsed];
}
