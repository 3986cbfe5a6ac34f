import { createClient } from "@libsql/client";

/*
 * How it used to be done: write a row, then publish a message. Arguments: the database, where to publish. It dies in
 * between, as any process may.
 */

const [file = "", broker = ""] = process.argv.slice(2);
const database = createClient({ url: `file:${file}` });
await database.execute("create table if not exists users (id text primary key, name text)");
await database.execute("insert into users values ('user-0', 'Ida Holm')");
process.kill(process.pid, "SIGKILL");
await fetch(broker, { method: "POST", body: "user-0 is Ida Holm" });
