import { nodeDigest } from "../../src/access/node-digest.ts";
import { openAccess } from "../../src/access/access.ts";
import { createAccessMemory } from "../../src/access/key-memory.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { migrate } from "../../src/log/migrate.ts";
import { writeBatch } from "../../src/storage/batch-writer.ts";
import { openDatabase } from "../../src/storage/open.ts";

/*
 * A process to be killed: creates keys, uses them and revokes them, over and over, on the database that its argument names.
 * Prints `created TOKEN` and `revoked TOKEN` when it knows that, and `revoking TOKEN` before it tries.
 */

const [url = ""] = process.argv.slice(2);
const database = openDatabase({ url });
await migrate(database);
const access = openAccess({
  database,
  writer: { write: (statements) => writeBatch(database, systemClock, statements) },
  clock: systemClock,
  digest: nodeDigest,
  mostKeys: 10_000,
  consumerBytes: 256,
  issuers: null,
  oidc: null,
  memory: createAccessMemory(),
  inBackground: true,
});

const print = (line: string) => process.stdout.write(`${line}\n`);

for (let number = 0; ; number += 1) {
  const made = await access.create({
    name: `key-${process.pid}-${number}`,
    grants: ["read:/metrics"],
    consumer: null,
    expires: null,
  });
  if (made.outcome !== "created") throw new Error(made.outcome);
  print(`created ${made.token}`);
  if ((await access.authenticate(made.token)) === null) throw new Error("a new key does not work");
  if (number % 2 === 0) continue;
  print(`revoking ${made.token}`);
  const { outcome } = await access.revoke(made.key.id);
  if (outcome !== "revoked") throw new Error(outcome);
  print(`revoked ${made.token}`);
}
