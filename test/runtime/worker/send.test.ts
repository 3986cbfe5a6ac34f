import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { request } from "node:http";
import { request as secureRequest } from "node:https";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";

import { workerSend } from "../../../src/runtime/worker/send.ts";
import { workerClock } from "../../../src/runtime/worker/clock.ts";
import { DENO } from "../../support/deno.ts";

/*
 * What a worker outside of Cloudflare sends webhooks to.
 */

const ROOT = join(import.meta.dir, "../../..");

let receiver: Bun.Server<undefined>;
const received: { readonly host: string | null; readonly body: string }[] = [];
beforeAll(() => {
  receiver = Bun.serve({
    port: 0,
    async fetch(incoming) {
      received.push({ host: incoming.headers.get("host"), body: await incoming.text() });
      return new Response("answer", { status: 202, headers: { "retry-after": "3" } });
    },
  });
});
afterAll(() => receiver.stop(true));
beforeEach(() => {
  received.length = 0;
});

function sender(egressAllow: string[], ...resolutions: (readonly string[])[]) {
  let resolved = 0;
  const resolve = () => {
    const addresses = resolutions[Math.min(resolved, resolutions.length - 1)] ?? [];
    resolved += 1;
    return Promise.resolve(addresses);
  };
  const send = workerSend({ egressAllow }, workerClock, { resolve, request, secureRequest });
  const post = (name: string) =>
    send({ method: "POST", url: `http://${name}:${receiver.port}/hook`, headers: {}, body: "event" });
  return { post, resolutions: () => resolved };
}

describe("a worker that resolves names", () => {
  test.each([[["127.0.0.1"]], [["93.184.216.34", "10.0.0.1"]], [["::1"]], [["::ffff:127.0.0.1"]]])(
    "sends nothing to a name at %p",
    async (addresses) => {
      const answer = await sender([], addresses).post("hooks.example");
      expect(answer).toMatchObject({ kind: "failed", category: "address-refused" });
      expect(received).toEqual([]);
    },
  );

  test("sends to the address that it judged, whatever the name resolves to afterwards", async () => {
    const { post, resolutions } = sender(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]);
    const answer = await post("hooks.example");
    expect(answer).toMatchObject({ kind: "answered", status: 202 });
    expect(answer.kind === "answered" ? answer.header("Retry-After") : null).toBe("3");
    expect(resolutions()).toBe(1);
    expect(received).toEqual([{ host: `hooks.example:${receiver.port}`, body: "event" }]);
  });

  test("gives up when its caller does, before it is sent and after", async () => {
    const never = () => new Promise<readonly string[]>(() => {});
    const send = workerSend({ egressAllow: [] }, workerClock, { resolve: never, request, secureRequest });
    const post = (signal: AbortSignal) =>
      send({ method: "POST", url: "http://hooks.example/hook", headers: {}, body: "event" }, signal);
    const ended = new AbortController();
    const sending = post(ended.signal);
    ended.abort(new Error("the slice is over"));
    expect(sending).rejects.toThrow("the slice is over");
    expect(post(ended.signal)).rejects.toThrow("the slice is over");
    await Promise.allSettled([sending]);
  });

  test("sends to names that the settings trust", async () => {
    expect(await sender(["hooks.internal"], ["127.0.0.1"]).post("hooks.internal")).toMatchObject({
      status: 202,
    });
  });

  test("rejects a name without an address", async () => {
    expect(await sender([], []).post("hooks.example")).toMatchObject({ kind: "failed", category: "dns" });
  });
});

const isPrivate = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .some(({ internal, address }) => !internal && /^(10|172|192)\./.test(address));

test.skipIf(DENO === null || !isPrivate)(
  "refuses in Deno a name of this machine's private address",
  async () => {
    const program = `
    import { workerSend } from "./src/runtime/worker/send.ts";
    import { workerClock } from "./src/runtime/worker/clock.ts";
    const [, , url] = JSON.parse(Deno.args[0]);
    const request = { method: "POST", url, headers: {}, body: "event" };
    for (const egressAllow of JSON.parse(Deno.args[0]).slice(0, 2)) {
      const answer = await workerSend({ egressAllow }, workerClock)(request);
      console.log(answer.kind === "failed" ? answer.category : answer.status);
    }
    Deno.exit(0);`;
    const file = join(ROOT, `deno-send-${crypto.randomUUID()}.ts`);
    await Bun.write(file, program);
    try {
      const url = `http://${hostname()}:${receiver.port}/hook`;
      const given = JSON.stringify([[], ["*"], url]);
      const deno = Bun.spawn(
        [DENO ?? "", "run", "-A", "--no-check", "--node-modules-dir=manual", "--no-lock", file, given],
        {
          cwd: ROOT,
          stdout: "pipe",
          stderr: "pipe",
        },
      );
      const output = (await new Response(deno.stdout).text()).trim().split("\n");
      expect([output, await new Response(deno.stderr).text()]).toEqual([["address-refused", "202"], ""]);
      expect(received).toHaveLength(1);
    } finally {
      await Bun.file(file).delete();
    }
  },
  60_000,
);
