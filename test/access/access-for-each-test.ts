import { afterEach, beforeEach } from "bun:test";

import type { Access } from "../../src/access/access.ts";
import type { Database } from "../../src/storage/database.ts";
import type { Deployment } from "../support/app.ts";
import { movableClock, type OpenOptions, openTestAccess, type Runtime } from "./opened.ts";

export interface AccessOfTest {
  readonly time: ReturnType<typeof movableClock>;
  readonly database: Database;
  readonly access: Access;
  /** Access control of another process on the same database. */
  another(options?: Partial<OpenOptions>): Promise<Access>;
}

/** Opens access control on a new database before each test of a `describe`, and closes it after the test. */
export function accessForEachTest(
  deployment: Deployment,
  runtime: Runtime,
  onOpen: (opened: AccessOfTest) => void,
): void {
  let close: () => Promise<void>;

  beforeEach(async () => {
    const opened = await deployment.open();
    const time = movableClock();
    const database = opened.database();
    const all: Access[] = [];
    const open = async (options: OpenOptions) => {
      const access = await openTestAccess({ ...options, clock: time.clock, runtime });
      all.push(access);
      return access;
    };
    close = async () => {
      for (const access of all) await access.close();
      database.close();
      await opened.dispose();
    };
    onOpen({
      time,
      database,
      access: await open({ database }),
      another: (options) => open({ database: deployment.shared ? opened.database() : database, ...options }),
    });
  });

  afterEach(() => close());
}
