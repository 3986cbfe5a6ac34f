import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openIssuers } from "../../src/access/issuers.ts";
import { createAccessMemory } from "../../src/access/key-memory.ts";
import { nodeDigest } from "../../src/access/node-digest.ts";
import type { OidcProvider } from "../../src/access/oidc-provider.ts";
import { openOidc } from "../../src/access/oidc.ts";
import type { TokenIssuer } from "../../src/access/token-issuer.ts";
import type { Clock } from "../../src/core/clock.ts";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.ts";
import type { Feed } from "../../src/feeds/feed.ts";
import type { Feeds } from "../../src/feeds/feeds.ts";
import { registerFeeds } from "../../src/feeds/lifecycle/register.ts";
import { createPipeline } from "../../src/http/pipeline/pipeline.ts";
import type { ConsoleFiles } from "../../src/http/service/console.ts";
import type { Docs } from "../../src/http/service/docs.ts";
import { storeDestination } from "../../src/http/store-destination.ts";
import type { Database } from "../../src/storage/database.ts";
import type { RecentHeads } from "../../src/log/follow/recent-heads.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { NO_BACKGROUND } from "../../src/runtime/compose.ts";
import { migrate } from "../../src/log/migrate.ts";
import { createDeliveryPort } from "../../src/runtime/server/delivery-port.ts";
import { type ServerDatabase, writeFromThread } from "../../src/storage/writer/threaded-database.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { type ComposedStore, composeTestStore } from "./open-store.ts";
import { newDatabase } from "./new-database.ts";
import { TESTED_ON } from "./tested-on.ts";

/** A store with its HTTP surface, in this process: the real ones, without sockets. */
export interface TestApp {
  readonly store: Pick<ComposedStore, "reader" | "writer" | "access" | "denials">;
  readonly feeds: Feeds;
  readonly faults: unknown[];
  /** Calls the app; `path` begins with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Appends as JSON and gives the answer's body; fails the test unless it is 201. */
  append(stream: string, ...events: NewTestEvent[]): Promise<Appended>;
  /** Parsed body of a GET that must answer 200. */
  get<Body = WireEvent[]>(path: string, headers?: Record<string, string>): Promise<Body>;
  close(): Promise<void>;
}

export interface NewTestEvent {
  readonly type: string;
  readonly data?: unknown;
  readonly metadata?: Record<string, unknown>;
  readonly time?: string;
}

export interface Appended {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly count: number;
}

export interface WireEvent {
  readonly id: string;
  readonly logidentity: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly sequence: string;
  readonly data?: unknown;
  readonly [extension: string]: unknown;
}

export interface Problem {
  readonly type: string;
  readonly status: number;
  readonly detail: string;
  readonly remedy: string;
  readonly currentVersion?: number;
  readonly position?: number;
  readonly head?: number;
  readonly limit?: string;
  readonly errors?: readonly {
    readonly pointer?: string;
    readonly parameter?: string;
    readonly detail: string;
  }[];
}

export interface TestAppOptions {
  /** Other apps are on the database, too. Default: false. */
  readonly isShared?: boolean;
  readonly database?: Database;
  /** The database that logs are read from. */
  readonly replica?: Database;
  readonly limits?: Partial<Limits>;
  /** Default: 20. */
  readonly pollIntervalMs?: number;
  readonly clock?: Clock;
  readonly corsOrigins?: string[];
  readonly closing?: AbortSignal;
  /** Served, and not projected. */
  readonly feeds?: readonly Feed[];
  readonly secretKeys?: readonly string[];
  readonly egressAllow?: readonly string[];
  /** Default: none. */
  readonly environment?: string;
  /** Default: false. */
  readonly correlations?: boolean;
  /** Default: none. */
  readonly recentHeads?: RecentHeads;
  /** Default: none. */
  readonly docs?: Docs;
  /** Default: none. */
  readonly consoleFiles?: ConsoleFiles;
  /** Their tokens identify senders. */
  readonly issuers?: readonly TokenIssuer[];
  /** Where people sign in. */
  readonly oidc?: OidcProvider;
  /** Notified of changed subscriptions, which are not delivered. */
  readonly onChange?: (subscription: string) => void;
  /** Default: it is a fault. */
  readonly onReleaseFailure?: (error: unknown) => void;
}

export const TEST_SECRET_KEY = `k1:${btoa("0123456789abcdef0123456789abcdef")}`;

type Calls = Pick<TestApp, "fetch" | "append" | "get">;

/** The calls of an app, by its `fetch`. */
export function callsThrough(fetch: TestApp["fetch"]): Calls {
  return {
    fetch,
    async append(stream, ...events) {
      const response = await fetch(`/streams/${encodeURIComponent(stream)}`, jsonPost({ events }));
      if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
      return (await response.json()) as Appended;
    },
    async get<Body>(path: string, headers: Record<string, string> = {}) {
      const response = await fetch(path, { headers });
      if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
      return (await response.json()) as Body;
    },
  };
}

/** Opens the app on what the suites run on: in this process, or in a worker. */
export async function openApp(options: TestAppOptions = {}): Promise<TestApp> {
  if (TESTED_ON !== "worker") return openAppHere(options);
  // Only then: it brings a runtime with it.
  const { openWorkerApp } = await import("./worker-app.ts");
  return openWorkerApp(options);
}

async function openAppHere(options: TestAppOptions): Promise<TestApp> {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const clock = options.clock ?? systemClock;
  const database = options.database ?? (await newDatabase());
  const deps = { database, clock, limits, pollIntervalMs: options.pollIntervalMs ?? 20 };
  await migrate(database);
  const registered = await registerFeeds(database, clock, options.feeds ?? []);
  const {
    secretKeys = [TEST_SECRET_KEY],
    egressAllow = ["127.0.0.1"],
    onChange: changed = () => {},
  } = options;
  const faults: unknown[] = [];
  const store = composeTestStore(deps, registered, {
    reading: options.replica === undefined ? undefined : { ...deps, database: options.replica },
    correlations: options.correlations === true ? "in-background" : "off",
    isShared: options.isShared ?? false,
    openDelivery: (onChange) => createDeliveryPort({ secretKeys, egressAllow }, onChange),
    startBackground: () => ({ ...NO_BACKGROUND, changed }),
    onReleaseFailure: options.onReleaseFailure ?? ((error) => void faults.push(error)),
    access: {
      digest: nodeDigest,
      issuers: openIssuers(options.issuers ?? [], {
        clock,
        fetch: (url, init) => globalThis.fetch(url, init),
        consumerBytes: limits.streamNameBytes,
      }),
      oidc: openOidc(options.oidc, { clock, fetch: (url, init) => globalThis.fetch(url, init) }),
      memory: createAccessMemory(),
      inBackground: false,
    },
  });
  const { feeds } = store;
  const destination = storeDestination({
    ...store,
    limits,
    clock,
    version: "test",
    environment: options.environment ?? null,
    corsOrigins: options.corsOrigins ?? [],
    closing: options.closing ?? new AbortController().signal,
    onAccess: null,
    onFault: (error) => faults.push(error),
    docs: options.docs ?? null,
    loadMeasured: async () => (await import("../../src/http/service/measured.ts")).registerMeasured,
    recentHeads: options.recentHeads ?? null,
    consoleFiles: options.consoleFiles ?? null,
  });
  const pipeline = createPipeline({ clock, destinationOf: () => destination, observers: destination });
  const fetch = async (path: string, init?: RequestInit) =>
    await pipeline.fetch(new Request(`http://kilde.test${path}`, init));
  return {
    store,
    feeds,
    faults,
    ...callsThrough(fetch),
    async close() {
      await store.close();
      database.close();
    },
  };
}

/** A POST with a JSON body. A text is sent as it is. */
export function jsonPost(body: unknown, headers: Record<string, string> = {}): RequestInit {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { method: "POST", body: text, headers: { "content-type": "application/json", ...headers } };
}

/** Where a database of a kind can be opened, by several stores if it is not in memory. */
export interface Deployment {
  readonly name: string;
  readonly shared: boolean;
  open(): Promise<{ database(): Database; dispose(): Promise<void> }>;
}

export const memory: Deployment = {
  name: "memory",
  shared: false,
  open: async () => ({ database: () => openDatabase({ url: ":memory:" }), dispose: async () => {} }),
};

export const file: Deployment = {
  name: "file",
  shared: true,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
    return {
      database: () => openDatabase({ url: `file:${join(folder, "kilde.db")}` }),
      dispose: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};

/** As a server uses a file: its writes run in order on a thread, while the next ones are planned. */
export const threadedFile: Deployment = {
  name: "file, written from a thread",
  shared: true,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
    const url = `file:${join(folder, "kilde.db")}`;
    const opened: ServerDatabase[] = [];
    return {
      database() {
        const threaded = writeFromThread(
          openDatabase({ url }),
          { url },
          {
            onFailure(error) {
              throw error;
            },
            onTrouble({ error }) {
              throw new Error(error);
            },
          },
        );
        opened.push(threaded);
        return { ...threaded.database, close: () => {} };
      },
      async dispose() {
        for (const { close } of opened) await close();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

export interface SentEvent {
  /** Position: the cursor that was sent without the identity. */
  readonly id: string;
  readonly event: string;
  readonly data: WireEvent;
}

/** Reads server-sent events until there are so many, or the stream ends. */
export async function takeEvents(response: Response, count: number): Promise<SentEvent[]> {
  const taken: SentEvent[] = [];
  let text = "";
  if (response.body === null) return taken;
  const decoder = new TextDecoder();
  for await (const bytes of response.body) {
    text += decoder.decode(bytes, { stream: true });
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const fields = new Map(
        text
          .slice(0, end)
          .split("\n")
          .map(
            (line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()] as const,
          ),
      );
      text = text.slice(end + 2);
      const data = fields.get("data");
      if (data === undefined) continue;
      const event = JSON.parse(data) as WireEvent;
      expect(fields.get("id")).toBe(`${event.id}-${event.logidentity}`);
      taken.push({ id: event.id, event: fields.get("event") ?? "", data: event });
      if (taken.length === count) return taken;
    }
  }
  return taken;
}
