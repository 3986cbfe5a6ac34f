import { errorText } from "../../core/error-text.ts";

/** The work beside writes, mostly in the writer thread, that failed. */
export type TroubledWork =
  /** Copying the write-ahead log in the background; it is retried. */
  | "checkpoint"
  /** Releasing the memory of a load; it is retried. */
  | "release-memory"
  /** Returning freed memory to the operating system, which this C library does not do on request. */
  | "trim-heap";

/** A failure beside writes that loses nothing and refuses no write, but makes it slower or larger. */
export interface WriterTrouble {
  readonly work: TroubledWork;
  readonly error: string;
}

export type OnTrouble = (trouble: WriterTrouble) => void;

/** Reports the first failure of each kind of work: the work is retried, and would fill the log. */
export function createTroubleReports(onTrouble: OnTrouble): OnTrouble {
  const reported = new Set<TroubledWork>();
  return (trouble) => {
    if (reported.has(trouble.work)) return;
    reported.add(trouble.work);
    onTrouble(trouble);
  };
}

/** Returns a function that reports errors of one kind of work. */
export function troubleWith(work: TroubledWork, onTrouble: OnTrouble): (error: unknown) => void {
  return (error) => onTrouble({ work, error: errorText(error) });
}
