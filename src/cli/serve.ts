import { resolve } from "node:path";

import { Command } from "commander";

import { databaseFile, shownDatabaseUrl } from "../core/database-url.ts";
import { loadSettings } from "../config/load.ts";
import { servedDatabases } from "../config/served.ts";
import type { Settings } from "../config/settings.ts";
import { createLog, type ServerLog } from "../runtime/server/logger.ts";
import { startTracing, type Tracing, UnsupportedProtocolError } from "../runtime/tracing/start-tracing.ts";
import { type RunningServer, startServer } from "../runtime/server/serve.ts";
import { banner, type ServedTenant, tenantsBanner } from "./banner.ts";
import type { CliContext } from "./context.ts";
import { databaseError, makeFolder, missingFiles } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples } from "./options.ts";
import { readableLine } from "./readable-line.ts";
import { settingOptions, statedFlags } from "./setting-options.ts";

/** Time for the last commits of a shutdown, after the time for requests. */
const CLOSE_GRACE_MS = 10_000;

/** Converts an error of listening into one with a remedy; null for another error. */
function listenError(error: unknown, { host, port }: Settings): CliError | null {
  const code: unknown = error instanceof Error && "code" in error ? error.code : null;
  const cause = { cause: error };
  switch (code) {
    case "EADDRINUSE":
      return new CliError(
        EXIT.failure,
        `Port ${port} of ${host} is in use`,
        "Stop the process that uses it, or choose another with --port or KILDE_PORT; 0 takes any free port.",
        cause,
      );
    case "EACCES":
      return new CliError(
        EXIT.failure,
        `This user may not listen on port ${port}`,
        "Choose a port from 1024 up with --port or KILDE_PORT.",
        cause,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CliError(
        EXIT.failure,
        `${host} is not an address of this machine`,
        "Choose one with --host or KILDE_HOST; 0.0.0.0 listens on all.",
        cause,
      );
    default:
      return null;
  }
}

/** Converts an error of the feeds of the configuration file; null for another error. */
async function feedsError(thrown: unknown): Promise<CliError | null> {
  const [{ FeedDefinitionsError }, { IncompatibleContractError }] = await Promise.all([
    import("../feeds/define/compile-all.ts"),
    import("../feeds/contract/published-contract.ts"),
  ]);
  return thrown instanceof FeedDefinitionsError || thrown instanceof IncompatibleContractError
    ? new CliError(EXIT.usage, thrown.message, "Correct `feeds` in kilde.config.ts.", { cause: thrown })
    : null;
}

async function startError(error: unknown, { databaseUrl }: Pick<Settings, "databaseUrl">): Promise<unknown> {
  return (await feedsError(error)) ?? databaseError(error, databaseUrl);
}

/** Converts an error of a tenant's database; null for another error. */
async function tenantError(error: unknown): Promise<CliError | null> {
  if (!(error instanceof Error) || error.name !== "TenantFault") return null;
  const { TenantFault } = await import("../runtime/server/tenant.ts");
  if (!(error instanceof TenantFault)) return null;
  const { tenant, cause } = error;
  const failure = await startError(cause, error);
  return failure instanceof CliError
    ? new CliError(failure.exitCode, `tenant ${tenant}: ${failure.message}`, failure.remedy, { cause })
    : null;
}

async function start(context: CliContext, settings: Settings, log: ServerLog): Promise<RunningServer> {
  const file = databaseFile(settings.databaseUrl);
  // A tenant's missing folder affects that tenant alone, and no other.
  if (file !== null && settings.tenants.length === 0) makeFolder(resolve(context.cwd, file));
  try {
    return await startServer({ settings, version: context.version, log });
  } catch (error) {
    if (error instanceof Error && error.name === "TlsFileError")
      throw new CliError(EXIT.usage, error.message, "State files in PEM that belong together.", {
        cause: error,
      });
    throw listenError(error, settings) ?? (await tenantError(error)) ?? (await startError(error, settings));
  }
}

/** The address of each tenant. */
function servedTenants(settings: Settings, url: string): readonly ServedTenant[] {
  const { port, protocol } = new URL(url);
  return servedDatabases(settings).map(({ tenant, host, path = "", databaseUrl }) => ({
    name: tenant ?? "",
    url: host === undefined ? url + path : `${protocol}//${host}:${port}`,
    database: shownDatabaseUrl(databaseUrl),
  }));
}

/** Resolves at the first signal to stop; the second ends the process at once. */
function stopRequested(context: CliContext): Promise<string> {
  return new Promise((resolveSignal) => {
    let signals = 0;
    context.onStopSignal((signal) => {
      signals += 1;
      if (signals === 1) resolveSignal(signal);
      else context.exit(EXIT.failure);
    });
  });
}

/** Loads the files of TLS again; keeps those that it has if they cannot be used. */
function reloadTls(running: RunningServer, { logger, ...log }: ServerLog): void {
  try {
    const { expires } = running.reloadTls();
    logger.info({ expires }, "the certificate was loaded again");
  } catch (error) {
    logger.error({ err: error }, "the certificate could not be loaded again; the former one stays");
  }
  log.flush();
}

/** Exports traces if the environment names an endpoint. */
async function traces({ environment }: CliContext, { logger }: ServerLog): Promise<Tracing | null> {
  try {
    return await startTracing(environment, (message) =>
      logger.warn({ reason: message }, "traces were not exported"),
    );
  } catch (error) {
    if (!(error instanceof UnsupportedProtocolError)) throw error;
    throw new CliError(EXIT.usage, error.message, "Set the variable, or remove it.", { cause: error });
  }
}

async function serve(context: CliContext, flags: Readonly<Record<string, unknown>>): Promise<void> {
  const settings = await loadSettings({ ...context, flags });
  const stop = stopRequested(context);
  context.outliveReader();
  const log = createLog(settings.logLevel, context.stdout.isTerminal ? readableLine : null);
  const tracing = await traces(context, log);
  const created = missingFiles(servedDatabases(settings), context.cwd);
  const running = await start(context, settings, log);
  // The log is for programs, so the text for people goes elsewhere.
  const console = context.stdout.isTerminal ? context.stdout : context.stderr;
  for (const file of created) {
    await console.write(`Created a new database, since there was none at ${file}\n`);
  }
  const logged = created.length === 0 ? {} : { created };
  const host =
    settings.host.includes(":") && !settings.host.startsWith("[") ? `[${settings.host}]` : settings.host;
  const url = `${settings.tlsCert === undefined ? "http" : "https"}://${host}:${running.port}`;
  const { version } = context;
  const { admission } = running;
  if (settings.tlsCert !== undefined) context.onReloadSignal(() => reloadTls(running, log));

  if (settings.tenants.length > 0) {
    const tenants = servedTenants(settings, url);
    await console.write(tenantsBanner({ version, url, tenants, admission }));
    log.logger.info({ url, tenants, admission, version, ...logged }, "listening");
  } else {
    const database = shownDatabaseUrl(settings.databaseUrl);
    await console.write(banner({ version, url, database, admission }));
    const { readUrl } = settings;
    const replica = readUrl === undefined ? {} : { readUrl: shownDatabaseUrl(readUrl) };
    log.logger.info({ url, database, ...replica, admission, version, ...logged }, "listening");
  }
  log.flush();

  log.logger.info({ signal: await stop }, "shutting down");
  log.flush();
  const closed = running.close().then(() => true);
  const late = context.clock.sleep(settings.shutdownTimeoutMs + CLOSE_GRACE_MS).then(() => false);
  if (!(await Promise.race([closed, late]))) {
    throw new CliError(EXIT.failure, "The shutdown took too long", "Acknowledged writes are safe.");
  }
  await tracing?.close();
  log.logger.info("stopped");
  log.flush();
}

/** `kilde serve` */
export function serveCommand(context: CliContext): Command {
  const command = new Command("serve")
    .description(
      [
        "Starts the server on a database, which it creates if needed. SIGTERM and SIGINT stop it in order: it accepts no more requests, commits pending appends, ends streams, and exits with 0. A second signal stops it at once.",
        "",
        "Limits are set in kilde.config.ts (`limits`) or the environment (KILDE_LIMIT_EVENT_BYTES, …), feeds, issuers and tenants in kilde.config.ts alone.",
      ].join("\n"),
    )
    .addHelpText(
      "after",
      examples(
        "kilde serve",
        "kilde serve --port 8080 --database-url file:/var/lib/kilde/kilde.db",
        "kilde serve --host 0.0.0.0 --tls-cert server.pem --tls-key server.key",
        "kilde serve --host 0.0.0.0 --behind-proxy",
      ),
    )
    .action(() => serve(context, statedFlags(command)));
  const options = settingOptions(
    ...([
      "host",
      "port",
      "databaseUrl",
      "databaseAuthToken",
      "readUrl",
      "behindProxy",
      "open",
      "tlsCert",
      "tlsKey",
      "metricsToken",
      "corsOrigin",
    ] as const),
    ...(["accessLog", "logLevel", "pollIntervalMs", "secretKeys", "egressAllow"] as const),
    "shutdownTimeoutMs",
    "correlations",
    "backupFolder",
    "environment",
  );
  for (const option of options) command.addOption(option);
  return command;
}
