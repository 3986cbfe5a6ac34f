import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";

import type { Settings } from "../../config/settings.ts";
import { databaseFile } from "../../core/database-url.ts";
import { KildeError } from "../../core/errors.ts";
import type { Job } from "../../jobs/job.ts";
import { type Budgets, createDeps } from "../../http/app.ts";
import type { AppDeps } from "../../http/deps.ts";
import type { Destination } from "../../http/pipeline/pipeline.ts";
import { refusingDestination } from "../../http/pipeline/refusing-destination.ts";
import { storeDestination } from "../../http/store-destination.ts";
import type { ParseLarge } from "../../http/wire/parsing.ts";
import type { RequestSchemas } from "../../http/openapi/schemas.ts";
import type { TenantAddress } from "../../http/pipeline/tenants.ts";
import type { EventLogger } from "../event-logger.ts";
import { accessLogOf, type AnswerDeps, answering, type Surface } from "./listen.ts";
import { isAboutProgram } from "../program-fault.ts";
import { startKilde } from "./start.ts";
import { startServerLoop } from "../server-loop.ts";

/** Delays before a database that could not be opened is opened again, in milliseconds. */
const BACKOFF = { firstMs: 1_000, lastMs: 30_000 };

/** This program cannot serve a tenant's database: the next attempt would fail in the same way. */
export class TenantFault extends Error {
  override readonly name = "TenantFault";
  readonly tenant: string;
  readonly databaseUrl: string;

  constructor(tenant: string, databaseUrl: string, cause: unknown) {
    super(`Tenant ${tenant}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.tenant = tenant;
    this.databaseUrl = databaseUrl;
  }
}

export interface TenantOptions
  extends TenantAddress, Pick<AnswerDeps, "admission" | "addressOf" | "process"> {
  readonly name: string;
  /** With the database of this tenant. */
  readonly settings: Settings;
  readonly version: string;
  /** Of this tenant. */
  readonly logger: EventLogger;
  readonly schemas: RequestSchemas;
  /** Of the process. */
  readonly budgets: Budgets;
  /** Of the process. */
  readonly parseLarge: ParseLarge;
  readonly closing: AbortSignal;
  /** Has garbage of the process collected when it is idle. */
  readonly releaseGarbage: () => void;
}

/** A tenant that is served, or will be when its database opens. */
export interface RunningTenant extends TenantAddress {
  readonly name: string;
  /** Null: its database cannot be used yet. */
  readonly deps: () => AppDeps | null;
  /** Returns the destination of its requests, which answers 503 while its database cannot be used. */
  readonly destination: () => Destination;
  /** Resolves after the first attempt to open the database; rejects with a {@link TenantFault}. */
  readonly tried: Promise<void>;
  close(): Promise<void>;
}

interface TenantSurface extends Surface {
  readonly deps: AppDeps;
  readonly destination: Destination;
}

interface OpenTenant {
  readonly surface: TenantSurface;
  readonly close: () => Promise<void>;
}

async function open(options: TenantOptions): Promise<OpenTenant> {
  const { name: tenant, settings, logger, schemas, budgets, releaseGarbage, path: basePath = "" } = options;
  const file = databaseFile(settings.databaseUrl);
  if (file !== null) mkdirSync(dirname(resolve(file)), { recursive: true });
  return startKilde({
    settings,
    logger,
    releaseGarbage,
    tenant,
    lazy: true,
    open(parts) {
      const app = { ...answering({ ...options, ...parts }), basePath, budgets };
      const deps = createDeps(app, schemas);
      return { deps, destination: storeDestination(app, deps), close: () => Promise.resolve() };
    },
  });
}

/** Serves a tenant. Retries a database that cannot be opened, and meanwhile refuses requests with 503. */
export function startTenant(options: TenantOptions): RunningTenant {
  const { name, host, path, settings, logger, closing } = options;
  const refusing = refusingDestination(
    {
      basePath: path ?? "",
      corsOrigins: settings.corsOrigin,
      onAccess: accessLogOf(settings, logger),
    },
    () =>
      closing.aborted
        ? new KildeError("shutting-down", "The server is shutting down")
        : new KildeError("storage-unavailable", "The database of this tenant could not be opened yet"),
  );
  let opened: OpenTenant | null = null;
  const first = Promise.withResolvers<void>();
  // The caller may no longer wait for it.
  first.promise.catch(() => {});

  const opening: Job = {
    name: `open ${name}`,
    async run({ signal }) {
      const candidate = await open(options);
      // `close` does not wait for a run in progress, so the run closes its own result.
      if (signal.aborted) await candidate.close();
      else opened = candidate;
      if (loop.failure() !== null) logger.info({}, "the database is open");
      first.resolve();
      return "over";
    },
  };
  const loop = startServerLoop(opening, BACKOFF, (error, { retryMs }) => {
    logger.error({ err: error, nextMs: retryMs }, "the database cannot be opened; retrying");
    // A fault of the program fails a start that still waits; after that it is retried too.
    if (isAboutProgram(error)) first.reject(new TenantFault(name, settings.databaseUrl, error));
    else first.resolve();
  });

  return {
    name,
    host,
    path,
    tried: first.promise,
    deps: () => opened?.surface.deps ?? null,
    destination: () => opened?.surface.destination ?? refusing,
    async close() {
      void loop.close();
      await opened?.close();
    },
  };
}
