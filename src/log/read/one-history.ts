import { KildeError } from "../../core/errors.ts";

/** How often a read is repeated because the log got another identity meanwhile. */
const ATTEMPTS = 5;

/**
 * Repeats a read of a log until all of it is of one history. `read` returns null when the log got another identity
 * meanwhile.
 */
export async function withinOneHistory<Result>(
  name: string,
  read: () => Promise<Result | null>,
): Promise<Result> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const result = await read();
    if (result !== null) return result;
  }
  throw new KildeError("storage-unavailable", `${name} changed its identity each time that it was read`);
}
