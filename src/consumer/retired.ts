import { KildeError } from "../client/index.ts";
import { isErrorNamed } from "../core/errors.ts";

/** The version of the feed was retired, permanently. The consumer halts. */
export class FeedRetiredError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "FeedRetiredError");
  }

  override readonly name = "FeedRetiredError";
  readonly feed: string;

  constructor(feed: string, cause: unknown) {
    super(
      `${feed} was retired, and the consumer halted. Consume a later version; \`migrateFrom\` moves subjects one by one`,
      { cause },
    );
    this.feed = feed;
  }
}

/** Whether the server answered that the feed was retired. */
export function isRetirement(error: unknown): boolean {
  return error instanceof KildeError && error.code === "feed-retired";
}

/** Records once that the feed was retired, and ends all requests to it. */
export interface Retirement {
  /** Null: the feed is not known to be retired. */
  readonly error: FeedRetiredError | null;
  /** Aborts when the feed is retired. */
  readonly signal: AbortSignal;
  /** Records and reports a retirement; false for any other error. */
  note(error: unknown): boolean;
  /** Settles like the work, and records a failure that is a retirement. */
  watch<Result>(work: Promise<Result>): Promise<Result>;
}

export function createRetirement(feed: string | null, report: (error: FeedRetiredError) => void): Retirement {
  const ending = new AbortController();
  let noted: FeedRetiredError | null = null;
  const note = (error: unknown): boolean => {
    if (!isRetirement(error)) return false;
    if (noted === null) {
      noted = new FeedRetiredError(feed ?? "The event log", error);
      report(noted);
      ending.abort();
    }
    return true;
  };
  return {
    signal: ending.signal,
    get error() {
      return noted;
    },
    note,
    watch: (work) =>
      work.catch((error: unknown) => {
        note(error);
        throw error;
      }),
  };
}
