import { expect, test } from "bun:test";
import { symlinkSync } from "node:fs";
import { join } from "node:path";

import { cleanUp, emptyFolder, run, serve } from "./support.ts";

cleanUp();

test("unknown KILDE_ variables are reported, with the nearest setting", async () => {
  const environment = {
    KILDE_PROT: "8080",
    KILDE_ULR: "http://a.test",
    KILDE_FOO: "1",
    // Set by Kubernetes beside a service with the name kilde.
    KILDE_SERVICE_HOST: "10.0.0.1",
    KILDE_PORT_4000_TCP: "tcp://10.0.0.1:4000",
    KILDE_TENANT_SHOP_A_DATABASE_AUTH_TOKEN: "a",
    KILDE_LIMIT_EVENT_BYTES: "1000",
  };
  const reports = [
    "kilde: KILDE_PROT is ignored: there is no such setting; did you mean KILDE_PORT?\n",
    "kilde: KILDE_ULR is ignored: there is no such setting; did you mean KILDE_URL?\n",
    "kilde: KILDE_FOO is ignored: there is no such setting",
  ];
  const server = await serve(emptyFolder(), [], { environment });
  const read = await server.kilde(["read"], { environment });
  const { stderr } = await server.stop();
  for (const report of reports) {
    expect(stderr).toContain(report);
    expect(read.stderr).toContain(report);
  }
  expect(read.stderr.trim().split("\n")).toHaveLength(reports.length);
  expect(read.exitCode).toBe(0);
});

test.each(["js", "mjs", "json"])(
  "a kilde.config.%s is reported as ignored, unless --config names it",
  async (ending) => {
    const cwd = emptyFolder();
    const name = `kilde.config.${ending}`;
    await Bun.write(join(cwd, name), ending === "json" ? '{"port":0}' : "export default { port: 0 };");
    const args = ["migrate", "--database-url", "file:a.db"];
    const ignored = await run(args, { cwd });
    expect(ignored.stderr).toBe(
      `kilde: ${name} is ignored: the configuration file is kilde.config.ts; rename it, or use --config ${name}\n`,
    );
    const named = await run([...args, "--config", name], { cwd });
    expect(named).toMatchObject({ exitCode: 0, stderr: "" });
  },
);

test("a kilde.config.ts that is a link to nothing is not taken for none", async () => {
  const cwd = emptyFolder();
  symlinkSync("/absent/kilde.config.ts", join(cwd, "kilde.config.ts"));
  for (const args of [["migrate", "--database-url", "file:a.db"], ["read"]]) {
    const { exitCode, stderr } = await run(args, { cwd });
    expect(stderr).toBe("kilde: kilde.config.ts cannot be loaded: it is a symbolic link to a missing file\n");
    expect(exitCode).toBe(2);
  }
});

test("help for a command that does not exist is an error", async () => {
  const asked = await run(["help", "reed"], { cwd: emptyFolder() });
  expect(asked).toMatchObject({ exitCode: 2, stdout: "" });
  expect(asked.stderr).toStartWith("kilde: unknown command 'reed'\n");
  expect(await run(["help", "read"], { cwd: emptyFolder() })).toMatchObject({ exitCode: 0, stderr: "" });
});
