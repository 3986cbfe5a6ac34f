import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import { created, openTestAccess } from "../access/opened.ts";
import { databaseFile } from "../../src/core/database-url.ts";
import { openDatabase } from "../../src/storage/open.ts";

/** A key that was created on a database, beside the process that serves it. */
export interface OfflineKey {
  readonly token: string;
  /** Revokes it on the database. */
  revoke(): Promise<void>;
}

async function withAccess<Result>(
  databaseUrl: string,
  use: (access: Awaited<ReturnType<typeof openTestAccess>>) => Promise<Result>,
): Promise<Result> {
  const file = databaseFile(databaseUrl);
  if (file !== null) mkdirSync(dirname(file), { recursive: true });
  const database = openDatabase({ url: databaseUrl });
  const access = await openTestAccess({ database });
  try {
    return await use(access);
  } finally {
    await access.close();
    database.close();
  }
}

let count = 0;

/** Creates a key on a database. Default: one that may do everything. */
export async function createOfflineKey(
  databaseUrl: string,
  grants: readonly string[] = ["admin"],
): Promise<OfflineKey> {
  count += 1;
  const { key, token } = await withAccess(databaseUrl, (access) =>
    created(access, { name: `offline-${count}`, grants, consumer: null }),
  );
  return {
    token,
    revoke: () =>
      withAccess(databaseUrl, async (access) => {
        await access.revoke(key.id);
      }),
  };
}
