import { expect, test } from "bun:test";
import { join } from "node:path";

import { openDatabase } from "../../../../src/storage/open.ts";
import { created, openTestAccess } from "../../../access/opened.ts";
import { cleanUp, emptyFolder, serve } from "../../../cli/support.ts";
import { jsonPost } from "../../../support/app.ts";
import { eventually } from "../../../support/eventually.ts";
import { configured, type Tenant, TENANTS, tenantsOf } from "./support.ts";

cleanUp();

/** Creates a key in a database of a folder, beside the server. */
async function keyIn(cwd: string, file: string): Promise<string> {
  const database = openDatabase({ url: `file:${join(cwd, file)}` });
  const access = await openTestAccess({ database });
  const { token } = await created(access, { name: file });
  await access.close();
  database.close();
  return token;
}

async function cookieOf({ fetch }: Tenant, token: string): Promise<string> {
  const opened = await eventually(async () => {
    const response = await fetch("/session", jsonPost({ token }));
    return response.status === 201 ? response : null;
  });
  return (opened.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

test("tenants: a session is of one tenant, and its cookie does not replace that of another on the same host", async () => {
  const cwd = emptyFolder();
  const server = await serve(await configured(`tenants: ${TENANTS}`, cwd));
  const { a, b } = tenantsOf(server);
  const cookieA = await cookieOf(a, await keyIn(cwd, "data/a.db"));
  const cookieB = await cookieOf(b, await keyIn(cwd, "data/b.db"));
  expect(cookieA).toStartWith("__Host-kilde-session-shops+a=");
  expect(cookieB).toStartWith("__Host-kilde-session=");
  const sender = async ({ fetch }: Tenant, cookie: string) => {
    const response = await fetch("/session", { headers: { cookie } });
    return response.status === 200 ? ((await response.json()) as { name: string }).name : response.status;
  };
  expect(await sender(a, `${cookieA}; ${cookieB}`)).toBe("data/a.db");
  expect(await sender(b, `${cookieA}; ${cookieB}`)).toBe("data/b.db");
  const valueOf = (cookie: string) => cookie.slice(cookie.indexOf("=") + 1);
  expect(await sender(a, cookieB)).toBe(401);
  expect(await sender(a, `__Host-kilde-session-shops+a=${valueOf(cookieB)}`)).toBe(401);
  expect(await sender(b, `__Host-kilde-session=${valueOf(cookieA)}`)).toBe(401);
  await server.stop();
});
