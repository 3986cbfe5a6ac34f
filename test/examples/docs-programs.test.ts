import { expect, test } from "bun:test";

import { cleanUp, run, serve } from "../cli/support.ts";
import { documentedCode } from "../support/markdown.ts";
import { userProject } from "../support/user-project.ts";

cleanUp();

const examples = documentedCode().filter(({ language }) => language === "ts");

/** The example that has a text. */
function exampleWith(text: string): string {
  const found = examples.filter(({ code }) => code.includes(text));
  expect(found.map(({ place }) => place)).toHaveLength(1);
  return found[0]?.code ?? "";
}

const FEED = () => exampleWith("export const declarations = defineFeed(");

async function runProgram(cwd: string, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(args, { cwd, program: [process.execPath] });
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}\n${stdout}\n${stderr}`);
  return stdout + stderr;
}

test("the decider that is shown handles its command, and its tests pass", async () => {
  const before = `import { createKilde } from "kilde/embed";
    const kilde = await createKilde({ databaseUrl: ":memory:" });
    await kilde.append("account-1", { type: "MoneyDeposited", data: { cents: 700 } });
    const [correlationId, idempotencyKey] = ["request-1", "command-1"];\n`;
  const after = "\nconsole.log(events.length, version, state.cents); await settle(); await kilde.close();\n";
  const decider = exampleWith("const account: Decider<");
  const cwd = await userProject({
    "commands.ts": before + decider + exampleWith("given(account, [])") + after,
  });
  expect(await runProgram(cwd, "commands.ts")).toBe("1 2 200\n");
});

test("the consumer that is shown handles what the feed that is shown publishes", async () => {
  const config = await userProject({ "kilde.config.ts": FEED() });
  const server = await serve(config);
  await server.kilde(["append", "declaration-1", "DeclarationSubmitted", '{"amount":12.5}']);
  await server.kilde(["append", "declaration-1", "PaymentHandled", '{"amount":12.5}']);
  const consumer = exampleWith("const payments = sqliteTable(").replaceAll(
    "http://127.0.0.1:4000",
    server.url,
  );
  const after = `
    await database.run("create table payments (declaration text primary key, cents integer)");
    let rows = [];
    while ((rows = await database.select().from(payments)).length === 0) await Bun.sleep(20);
    console.log(JSON.stringify(rows));
    await consumer.stop();\n`;
  const cwd = await userProject({ "declarations.ts": FEED(), "consumer.ts": consumer + after });
  expect(await runProgram(cwd, "consumer.ts")).toBe('[{"declaration":"declaration-1","cents":1250}]\n');
});
