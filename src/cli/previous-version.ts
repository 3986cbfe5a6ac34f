import type { Client } from "../client/index.ts";
import type { FeedVersionArgument } from "./log-source.ts";

/** The events of a log that are forwarded. */
export interface VersionSelection {
  readonly feed: FeedVersionArgument | undefined;
  readonly types: readonly string[] | undefined;
}

interface Placed {
  readonly position: number;
  readonly subject: string;
  readonly version: number;
}

/** Number of subjects whose last version is cached; the versions of others are requested. */
const MOST_SUBJECTS = 10_000;

/**
 * Finds the version of the previous event of the same subject within the selection; 0 when there is none. Must be
 * called for each event, in order.
 */
export function createPrevious(
  client: Client,
  { feed, types }: VersionSelection,
): (event: Placed) => Promise<number> {
  const last = new Map<string, number>();

  const lookUp = async ({ position, subject }: Placed): Promise<number> => {
    const one = { direction: "backwards", lastEventId: position, limit: 1, ...(types && { types }) } as const;
    const source = feed === undefined ? { stream: subject } : { feed, subject };
    for await (const { version } of client.read({ ...source, ...one })) return version;
    return 0;
  };

  return async (event) => {
    const { subject, version } = event;
    // Without a selection, the versions of a subject have no gaps.
    if (types === undefined || version === 1) return version - 1;
    const previous = last.get(subject) ?? (await lookUp(event));
    last.delete(subject);
    last.set(subject, version);
    if (last.size > MOST_SUBJECTS) {
      const [oldest] = last.keys();
      if (oldest !== undefined) last.delete(oldest);
    }
    return previous;
  };
}
