import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, serve, type Served } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";
import { filesWith } from "../../support/byte-search.ts";

/*
 * Two servers on one file, clients that append without a pause, feeds, and a webhook whose endpoint is down. A stream is
 * erased, and a server is killed at once. Within a minute no file holds erased data, and the endpoint, when it is up
 * again, is sent nothing of it.
 */

cleanUp();

const CONFIG = `
  import { defineConfig, defineFeed } from "kilde";
  import { z } from "zod";
  const events = { Noted: z.object({ text: z.string() }) };
  const contract = { Heard: z.object({ text: z.string() }) };
  const publish = { Noted: ({ data }) => ({ type: "Heard", data }) };
  export default defineConfig({ accessLog: false, egressAllow: ["127.0.0.1"], feeds: [
    defineFeed({ name: "plain", version: 1, events, contract, publish }),
    defineFeed({ name: "remembering", version: 1, events, contract, publish,
      state: { initial: { all: [] }, evolve: { Noted: ({ all }, { data }) => ({ all: [...all, data.text].slice(-9) }) } } }),
  ] });`;

const CLIENTS = 4;
const MARKED = 150;

/** Time for the load between an erasure and the next kill. */
const LOAD_MS = 3_000;

function start(cwd: string): Promise<Served> {
  const environment = { KILDE_SECRET_KEYS: TEST_SECRET_KEY };
  return serve(cwd, ["--database-url", "file:kilde.db"], { environment });
}

async function append(url: string, stream: string, text: string): Promise<void> {
  const event = { type: "Noted", data: { text }, metadata: { note: text.slice(0, 60) } };
  const response = await fetch(`${url}/streams/${stream}`, jsonPost({ events: [event] }));
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

/** Appends to many streams until it is ended; a server that is killed refuses some. */
function load(urls: () => readonly string[]) {
  let ended = false;
  let count = 0;
  const clients = Array.from({ length: CLIENTS }, async (_, client) => {
    while (!ended) {
      const all = urls();
      const url = all[client % all.length];
      count += 1;
      const text = "x".repeat(20 + ((count * 37) % 900));
      if (url === undefined) await Bun.sleep(10);
      else await append(url, `load-${count % 50}`, text).catch(() => Bun.sleep(10));
    }
  });
  return {
    async end() {
      ended = true;
      await Promise.all(clients);
    },
  };
}

/** A webhook receiver whose port nobody listens on until it is up. */
async function receiverThatIsDown() {
  const found = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = found.port ?? 0;
  await found.stop(true);
  const bodies: string[] = [];
  let server: Bun.Server<unknown> | null = null;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    bodies,
    up() {
      server = Bun.serve({
        port,
        hostname: "127.0.0.1",
        async fetch(request) {
          bodies.push(await request.text());
          return new Response(null, { status: 204 });
        },
      });
    },
    stop: () => server?.stop(true),
  };
}

type Kill = "nobody" | "the server that erased" | "both servers";

test.each<Kill>(["nobody", "the server that erased", "both servers"])(
  "erased data is gone within a minute under load, when %s is killed",
  async (killed) => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
    let servers = [await start(cwd), await start(cwd)];
    const receiver = await receiverThatIsDown();
    const work = load(() => servers.map(({ url }) => url));
    const mark = `mark-${crypto.randomUUID()}`;
    const [first] = servers;
    if (first === undefined) throw new Error("there are two servers");
    for (const mode of ["single", "batch"]) {
      const wanted = { source: "/events", url: receiver.url, mode };
      const made = await fetch(`${first.url}/subscriptions`, jsonPost(wanted));
      expect([made.status, await made.text()]).toEqual([201, expect.any(String)]);
    }
    for (let n = 0; n < MARKED; n += 1) await append(first.url, "ida", mark.repeat(1 + (n % 7) * 20));
    expect(filesWith(cwd, [mark])).not.toEqual([]);
    await Bun.sleep(LOAD_MS);

    const erased = await fetch(`${first.url}/streams/ida?reason=asked`, { method: "DELETE" });
    expect(erased.status).toBe(200);
    const since = performance.now();
    if (killed !== "nobody") {
      const gone = killed === "both servers" ? servers : [first];
      servers = servers.filter((server) => !gone.includes(server));
      for (const server of gone) await server.stop("SIGKILL");
      if (servers.length === 0) servers = [await start(cwd)];
    }
    const leftMs = 60_000 - (performance.now() - since);
    await eventually(() => filesWith(cwd, [mark]).length === 0, { withinMs: leftMs, pollMs: 250 });
    // Also later, when pages and the log have been written again.
    await Bun.sleep(LOAD_MS);
    expect(filesWith(cwd, [mark])).toEqual([]);

    receiver.up();
    await eventually(() => receiver.bodies.some((body) => body.includes("kilde.erased")), {
      withinMs: 120_000,
    });
    expect(receiver.bodies.filter((body) => body.includes(mark))).toEqual([]);
    await work.end();
    for (const server of servers) await server.stop();
    await receiver.stop();
  },
  180_000,
);
