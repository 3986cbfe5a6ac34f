import type { StoreMeasures } from "../../core/measures.ts";

/** A process, as its metrics describe it. */
export interface MeasuredProcess {
  /** Of the process as a whole: no store counts these. */
  readonly measures: StoreMeasures;
  readonly residentBytes: () => number;
}
