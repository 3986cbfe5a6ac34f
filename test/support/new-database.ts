import type { Database } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { sqld } from "./sqld.ts";
import { TESTED_ON } from "./tested-on.ts";

/** An empty database of the kind that the suites run on; gone when it is closed. */
export async function newDatabase(): Promise<Database> {
  if (TESTED_ON === "process") return openDatabase({ url: ":memory:" });
  const { database, dispose } = await sqld.open();
  const opened = database();
  const { close } = opened;
  // In place: it is known by its identity where its server is.
  return Object.assign(opened, {
    close() {
      close();
      void dispose();
    },
  });
}
