import { expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, run, serve } from "./support.ts";

cleanUp();

test("clients find the server at host and port of kilde.config.ts", async () => {
  const server = await serve(emptyFolder());
  const port = new URL(server.url).port;
  const client = emptyFolder();
  await Bun.write(
    join(client, "kilde.config.ts"),
    `export default { host: "localhost", port: ${port}, databaseUrl: "not checked here" };`,
  );
  const appended = await run(["append", "user-1", "UserRegistered", "--json"], { cwd: client });
  expect(appended).toMatchObject({ exitCode: 0, stderr: "" });
  expect((await server.kilde(["read", "user-1"])).stdout).toContain("UserRegistered");

  // An address in the environment takes precedence over the file.
  const other = { KILDE_URL: "http://127.0.0.1:1" };
  expect((await run(["read"], { cwd: client, environment: other })).stderr).toContain(
    "No answer from http://127.0.0.1:1 ",
  );
  const otherPort = { KILDE_PORT: "1" };
  expect((await run(["read"], { cwd: client, environment: otherPort })).stderr).toMatch(
    /No answer from http:\/\/localhost:1 \(\w+\), the address in kilde.config.ts/,
  );
  const flag = await run(["read", "--url", server.url], { cwd: client, environment: other });
  expect(flag.exitCode).toBe(0);
});

test.each([
  ['{ host: "0.0.0.0", behindProxy: true, port: 1 }', "No answer from http://127.0.0.1:1 "],
  ['{ host: "::", behindProxy: true, port: 1 }', "No answer from http://[::1]:1 "],
  ['{ host: "::1", port: 1 }', "No answer from http://[::1]:1 "],
  [
    "{ port: 0 }",
    "The server may listen on any free port, since the setting `port` is 0\n  Name it with --url",
  ],
  ['{ port: "1" }', 'port: "1" must be a whole number from 0 to 65535 (kilde.config.ts)'],
])("%s in kilde.config.ts: clients report %p", async (config, report) => {
  const cwd = emptyFolder();
  await Bun.write(join(cwd, "kilde.config.ts"), `export default ${config};`);
  const { exitCode, stderr } = await run(["read"], { cwd });
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain(report);
});
