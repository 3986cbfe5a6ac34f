import { expect, test } from "bun:test";
import { createServer } from "node:net";
import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { cleanUp, launch, serve } from "../cli/support.ts";
import { documentedCode } from "../support/markdown.ts";
import { userProject } from "../support/user-project.ts";

cleanUp();

const PAGE = "src/docs/how-to/receive-webhooks.md";
const SECRET = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
const ENVIRONMENT = {
  KILDE_SECRET_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}`,
  KILDE_EGRESS_ALLOW: "localhost",
};

/** How Next.js serves a route. */
const NEXT = `import { POST } from "./route.ts";
Bun.serve({ port: 3000, hostname: "localhost", fetch: POST });`;

interface Receiver {
  readonly title: string;
  /** The file that the page shows it as. */
  readonly file: string;
  /** Runs it; the last argument is the file. */
  readonly program: readonly string[];
  /** A file beside it that starts it, where it does not start anything. */
  readonly starter?: string;
  /** The module that it needs, and the project does not depend on. */
  readonly needs?: string;
}

const RECEIVERS: readonly Receiver[] = [
  { title: "Bun", file: "receiver.ts", program: [process.execPath] },
  { title: "Next.js", file: "app/hook/route.ts", program: [process.execPath], starter: NEXT },
  { title: "Express", file: "express-receiver.ts", program: [process.execPath], needs: "express" },
  { title: "Python", file: "receiver.py", program: ["python3"] },
];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return address.port;
}

function isMissing({ needs, program }: Receiver): boolean {
  if (Bun.which(program[0] ?? "") === null) return true;
  try {
    if (needs !== undefined) import.meta.resolve(needs);
    return false;
  } catch {
    return true;
  }
}

/** Starts the receiver that the page shows, on a free port. */
async function startReceiver({ file, program, starter }: Receiver) {
  const shown = documentedCode().find(
    ({ page, code }) => page === PAGE && code.split("\n")[0]?.endsWith(` ${file}`),
  );
  if (shown === undefined) throw new Error(`${PAGE} does not show ${file}`);
  const port = await freePort();
  const onPort = (code: string) => code.replaceAll("3000", String(port));
  const starting = starter === undefined ? {} : { [join(file, "../starter.ts")]: onPort(starter) };
  const cwd = await userProject({ [file]: onPort(shown.code), ...starting });
  const started = starter === undefined ? file : join(file, "../starter.ts");
  const environment = { WEBHOOK_SECRET: SECRET, PYENV_ROOT: process.env["PYENV_ROOT"] ?? "" };
  return { url: `http://localhost:${port}/hook`, child: launch([started], { cwd, program, environment }) };
}

for (const receiver of RECEIVERS) {
  test.skipIf(isMissing(receiver))(
    `the receiver for ${receiver.title} verifies and takes a delivery, and refuses a forged one`,
    async () => {
      const server = await serve(await userProject(), [], { environment: ENVIRONMENT });
      const { url, child } = await startReceiver(receiver);
      const kilde = createClient({ url: server.url });
      await kilde.append("user-3", { type: "UserRegistered", data: { name: "Ole" } });
      const { subscription } = await kilde.subscriptions.create({
        source: "/events",
        url,
        start: "beginning",
        secret: SECRET,
      });
      let isDelivered = false;
      const resuming = (async () => {
        while (!isDelivered) {
          await kilde.subscriptions.resume(subscription);
          await Bun.sleep(200);
        }
      })();
      try {
        let printed = "";
        for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
          printed += part;
          if (printed.includes("\n")) break;
        }
        expect(printed).toContain("user-3 1 UserRegistered");
        const headers = {
          "content-type": "application/cloudevents+json",
          "webhook-id": "forged",
          "webhook-timestamp": String(Math.floor(Date.now() / 1_000)),
          "webhook-signature": "v1,Zm9yZ2Vk",
        };
        expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(401);
      } finally {
        // A request that is still under way would fail when the server stops.
        isDelivered = true;
        await resuming;
      }
    },
    60_000,
  );
}
