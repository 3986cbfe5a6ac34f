import { afterEach, beforeEach, expect } from "bun:test";

import { examine } from "../../src/doctor/doctor.ts";
import type { Database } from "../../src/storage/database.ts";
import { openApp, type TestApp } from "./app.ts";
import { newDatabase } from "./new-database.ts";

export interface OpenedApp {
  readonly database: Database;
  readonly app: TestApp;
}

/**
 * Opens an app on a new database before each test of a file, and closes it afterwards. `examined`: the doctor finds nothing
 * in the store that a test leaves.
 */
export function appForEachTest(use: (opened: OpenedApp) => void, { examined = false } = {}): void {
  let opened: OpenedApp;
  beforeEach(async () => {
    const database = await newDatabase();
    opened = { database, app: await openApp({ database }) };
    use(opened);
  });
  afterEach(async () => {
    if (examined) expect(await examine(opened.database)).toEqual([]);
    await opened.app.close();
  });
}
