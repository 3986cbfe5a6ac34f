import { settingsSchema } from "../../src/config/settings.ts";
import { createLog } from "../../src/runtime/server/logger.ts";
import { type RunningServer, startServer } from "../../src/runtime/server/serve.ts";

export interface OpenServer extends RunningServer {
  readonly url: string;
}

/** A server in this process, on a free port, with a database in memory and without a log. */
export async function openServer(config: object = {}): Promise<OpenServer> {
  const settings = {
    ...settingsSchema.parse({ port: 0, databaseUrl: ":memory:", accessLog: false, ...config }),
    configFile: null,
    databaseStated: true,
  };
  const server = await startServer({ settings, version: "test", log: createLog("silent") });
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}
