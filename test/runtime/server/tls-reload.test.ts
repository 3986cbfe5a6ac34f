import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";

import { presentedName, writeCertificate } from "../../support/certificate.ts";
import { openServer } from "../../support/open-server.ts";
import type { ConnectingClients } from "./connecting-clients.ts";

setDefaultTimeout(60_000);

const CLIENTS = 20;

/** Time in which the first bytes of the last client arrive. */
const FIRST_BYTES_MS = 100;

const folder = mkdtempSync(join(tmpdir(), "kilde-tls-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("connections that wait for a busy server when it loads the certificate again are accepted", async () => {
  await writeCertificate(folder, "first.example");
  const [tlsCert, tlsKey] = [join(folder, "server.pem"), join(folder, "server.key")];
  const server = await openServer({ tlsCert, tlsKey });
  try {
    const connected = new Int32Array(new SharedArrayBuffer(4));
    const workerData: ConnectingClients = { port: server.port, clients: CLIENTS, connected };
    await writeCertificate(folder, "second.example");
    const clients = new Worker(new URL("./connecting-clients.ts", import.meta.url), { workerData });
    const outcomes = once(clients, "message");
    // The event loop stands still from here to the reload.
    for (let n = 0; n < CLIENTS; n = Atomics.load(connected, 0)) Atomics.wait(connected, 0, n);
    Bun.sleepSync(FIRST_BYTES_MS);
    server.reloadTls();
    expect(await outcomes).toEqual([Array.from({ length: CLIENTS }, () => "HTTP/1.1 200 OK")]);
    expect(await presentedName(server.port)).toBe("second.example");
  } finally {
    await server.close();
  }
});
