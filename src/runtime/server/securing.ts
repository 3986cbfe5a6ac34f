import type { Access } from "../../access/access.ts";
import { markSecured } from "../../access/access-state.ts";
import type { Job } from "../../jobs/job.ts";
import type { LogWriter } from "../../log/append/writer.ts";

/** Interval between looks for the first key in the databases of a process, in milliseconds. */
const LOOK_MS = 2_000;

/** The part of a tenant's store that is secured. */
export interface SecurableStore {
  readonly access: Pick<Access, "refreshed" | "isSecured">;
  readonly writer: Pick<LogWriter, "write">;
}

async function refresh({ access }: SecurableStore): Promise<void> {
  // A database that cannot be read now is read at the next look.
  await access.refreshed()?.catch(() => {});
}

/** Reads whether the stores are secured, as far as they can be read. */
export async function refreshAll(stores: readonly SecurableStore[]): Promise<void> {
  await Promise.all(stores.map(refresh));
}

/**
 * Once a key or issuer has existed in one database of the process, marks all of its databases as secured: none of them is
 * open again, also after a restart at which the first one cannot be read. `stores` has null for a database that is not
 * open yet.
 */
export function securingJob(stores: () => readonly (SecurableStore | null)[]): Job {
  return {
    name: "secure all databases",
    async run() {
      const all = stores();
      const open = all.filter((store) => store !== null);
      await refreshAll(open);
      if (!open.some(({ access }) => access.isSecured())) return { restMs: LOOK_MS };
      const unmarked = open.filter(({ access }) => !access.isSecured());
      for (const { writer } of unmarked) await markSecured(writer);
      return unmarked.length === 0 && open.length === all.length ? "over" : { restMs: LOOK_MS };
    },
  };
}
