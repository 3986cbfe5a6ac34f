import { appendBeside, eventsBeside } from "../../../src/log/append/append-beside.ts";
import { storageFailure } from "../../../src/storage/failures.ts";
import { openDatabase } from "../../../src/storage/open.ts";

/* A process that appends to `/operations` beside changes, and prints the id of each entry that was acknowledged. */

const [url = "", name = ""] = process.argv.slice(2);
const WORK_MS = 3_000;

const database = openDatabase({ url });
const end = performance.now() + WORK_MS;
for (let count = 0; performance.now() < end; count += 1) {
  const id = `${name}-${count}`;
  const events = eventsBeside([[`/subject-${count % 3}`, "kilde.test", { id }]]);
  const now = new Date().toISOString();
  const written = await database
    .write([
      { sql: "update logs set verbatim_until = verbatim_until + 1 where id = 0", args: [] },
      ...appendBeside("/operations", events, { now, condition: "changed" }),
    ])
    .then(
      () => true,
      (error: unknown) => {
        const failure = storageFailure(error);
        if (failure === "busy" || failure === "conflict") return false;
        throw error;
      },
    );
  if (written) await Bun.write(Bun.stdout, `${id}\n`);
  await Bun.sleep(1);
}
database.close();
