import { describe, expect, test } from "bun:test";
import { join } from "node:path";

import { ConfigError } from "../../src/config/config-error.ts";
import { databaseFile, databaseFileUrl, shownDatabaseUrl } from "../../src/core/database-url.ts";
import { nearest } from "../../src/core/nearest.ts";
import { resolveSettings, type Sources } from "../../src/config/resolve.ts";
import { DEFAULT_SETTINGS, settingsSchema } from "../../src/config/settings.ts";
import { SETTING_NAMES } from "../../src/config/names.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { cleanUp, emptyFolder, run } from "./support.ts";

cleanUp();

function sources(given: Partial<Sources>): Sources {
  return { flags: {}, environment: {}, file: null, ...given };
}

function problemsOf(given: Partial<Sources>): readonly string[] {
  try {
    resolveSettings(sources(given));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const file = (value: Record<string, unknown>) => ({ path: "kilde.config.ts", value });

describe("settings", () => {
  test("have defaults", () => {
    expect({ ...resolveSettings(sources({})), configFile: null }).toEqual({
      ...DEFAULT_SETTINGS,
      configFile: null,
    });
    expect(DEFAULT_SETTINGS).toMatchObject({
      host: "127.0.0.1",
      port: 4000,
      databaseUrl: "file:data/kilde.db",
    });
    expect(DEFAULT_SETTINGS.limits).toEqual(DEFAULT_LIMITS);
  });

  test("come from flags, then the environment, then the file", () => {
    const all = { flags: { port: "1" }, environment: { KILDE_PORT: "2" }, file: file({ port: 3 }) };
    expect(resolveSettings(sources(all)).port).toBe(1);
    expect(resolveSettings(sources({ ...all, flags: {} })).port).toBe(2);
    expect(resolveSettings(sources({ file: all.file })).port).toBe(3);
  });

  test("are all reachable from each source, but for feeds, issuers, tenants and objectives, which only the file can hold", () => {
    const others = new Set(["limits", "feeds", "auth", "tenants", "objectives"]);
    const paths = Object.keys(settingsSchema.shape).filter((key) => !others.has(key));
    const limits = Object.keys(DEFAULT_LIMITS).map((name) => `limits.${name}`);
    expect(SETTING_NAMES.map(({ path }) => path.join("."))).toEqual([...paths, ...limits]);
    expect(SETTING_NAMES.find(({ path }) => path[1] === "eventBytes")?.environment).toBe(
      "KILDE_LIMIT_EVENT_BYTES",
    );
    expect(SETTING_NAMES.find(({ path }) => path[0] === "databaseUrl")).toMatchObject({
      flag: "--database-url",
      environment: "KILDE_DATABASE_URL",
    });
  });

  test("are read from text in the environment", () => {
    const environment = {
      KILDE_BEHIND_PROXY: "true",
      KILDE_ACCESS_LOG: "0",
      KILDE_CORS_ORIGIN: "https://a.example, https://b.example",
      KILDE_LIMIT_PAGE_EVENTS: "7",
      KILDE_PORT: "",
      KILDE_ENVIRONMENT: "production",
    };
    expect(
      resolveSettings(sources({ environment, file: file({ limits: { pageEvents: 1, followers: 2 } }) })),
    ).toMatchObject({
      behindProxy: true,
      accessLog: false,
      corsOrigin: ["https://a.example", "https://b.example"],
      port: 4000,
      environment: "production",
      limits: { pageEvents: 7, followers: 2 },
    });
  });

  const faults: readonly (readonly [Partial<Sources>, string])[] = [
    [{ flags: { port: "abc" } }, 'port: "abc" must be a whole number from 0 to 65535 (flag --port)'],
    [
      { environment: { KILDE_PORT: "70000" } },
      'port: "70000" must be a whole number from 0 to 65535 (environment KILDE_PORT)',
    ],
    [{ file: file({ port: 1.5 }) }, "port: 1.5 must be a whole number from 0 to 65535 (kilde.config.ts)"],
    [{ file: file({ prot: 1 }) }, "prot: there is no such setting; did you mean port? (kilde.config.ts)"],
    [
      { file: file({ limits: { pageEvent: 1 } }) },
      "limits.pageEvent: there is no such setting; did you mean limits.pageEvents? (kilde.config.ts)",
    ],
    [{ file: file({ limits: 5 }) }, "limits: 5 must be an object (kilde.config.ts)"],
    [
      { environment: { KILDE_LIMIT_FOLLOWERS: "-1" } },
      'limits.followers: "-1" must be a whole number from 1 to 1000000 (environment KILDE_LIMIT_FOLLOWERS)',
    ],
    [
      { environment: { KILDE_BEHIND_PROXY: "yes" } },
      'behindProxy: "yes" must be true or false (environment KILDE_BEHIND_PROXY)',
    ],
    [
      { flags: { logLevel: "loud" } },
      'logLevel: "loud" must be one of fatal, error, warn, info, debug, trace, silent (flag --log-level)',
    ],
    [
      { flags: { corsOrigin: ["foo"] } },
      'corsOrigin: ["foo"] must be an origin, such as https://app.example, or * (flag --cors-origin)',
    ],
    [
      { environment: { KILDE_LIMIT_BODY_BYTES: "1000" } },
      "limits.eventBytes: 1048576 is more than limits.bodyBytes, 1000: no request body could hold such an event (environment KILDE_LIMIT_BODY_BYTES)",
    ],
    [
      {
        environment: { KILDE_DATABASE_URL: "libsql://a.example", KILDE_LIMIT_EVENT_BYTES: "2400000" },
      },
      "limits.eventBytes: events of 2400000 bytes with 16384 of metadata exceed the limit of a libSQL server, 2400000 together (environment KILDE_LIMIT_EVENT_BYTES)",
    ],
    [
      { environment: { KILDE_ENVIRONMENT: " production" } },
      'environment: " production" must be a name without control characters or surrounding space (environment KILDE_ENVIRONMENT)',
    ],
    [
      { flags: { environment: "x".repeat(41) } },
      `environment: "${"x".repeat(41)}" must have at most 40 characters (flag --environment)`,
    ],
    [
      { environment: { KILDE_READ_URL: "http://replica" } },
      'readUrl: "http://replica" cannot be a replica of "file:data/kilde.db", which is no libSQL server (environment KILDE_READ_URL). Set databaseUrl to the server that it is a replica of, or leave readUrl out',
    ],
    [
      { flags: { databaseUrl: "http://primary", readUrl: "file:replica.db" } },
      'readUrl: "file:replica.db" must be the http(s):// or libsql:// address of a libSQL server (flag --read-url)',
    ],
  ];
  for (const [given, problem] of faults) {
    test(`refuse: ${problem}`, () => expect(problemsOf(given)).toEqual([problem]));
  }

  test("are all reported at once", () => {
    expect(
      problemsOf({ flags: { port: "x", host: "" }, environment: { KILDE_LIMIT_FOLLOWERS: "x" } }),
    ).toHaveLength(3);
  });

  test("never show a token", () => {
    const [problem] = problemsOf({ file: file({ databaseAuthToken: ["secret"] }) });
    expect(problem).toBe("databaseAuthToken: (not shown) must be a text (kilde.config.ts)");
  });

  const urls: readonly (readonly [string, boolean])[] = [
    ["file:data/kilde.db", true],
    ["file:/var/lib/kilde.db", true],
    ["file:///var/lib/kilde.db", true],
    [":memory:", true],
    ["http://127.0.0.1:8080", true],
    ["libsql://db.example", true],
    ["data/kilde.db", false],
    ["file:", false],
    ["file::memory:", false],
    ["file:kilde.db?mode=ro", false],
    ["file://server/kilde.db", false],
    ["file:100%.db", false],
    ["postgres://db", false],
  ];
  for (const [url, isTaken] of urls) {
    test(`databaseUrl ${url} is ${isTaken ? "accepted" : "rejected"}`, () => {
      expect(problemsOf({ flags: { databaseUrl: url } }).length).toBe(isTaken ? 0 : 1);
    });
  }

  test("readUrl is taken for a replica of a libSQL server", () => {
    const flags = { databaseUrl: "libsql://primary.example", readUrl: "https://replica.example" };
    expect(resolveSettings(sources({ flags }))).toMatchObject(flags);
  });

  const hosts: readonly (readonly [string, boolean])[] = [
    ["127.0.0.1", true],
    ["127.8.9.1", true],
    ["localhost", true],
    ["::1", true],
    ["0.0.0.0", false],
    ["::", false],
    ["192.168.1.7", false],
    ["127.0.0.1.example.com", false],
    ["localhost.example.com", false],
  ];
  for (const [host, isLoopback] of hosts) {
    test(`host ${host} ${isLoopback ? "needs no proxy" : "needs a proxy"}`, () => {
      expect(problemsOf({ flags: { host } }).length).toBe(isLoopback ? 0 : 1);
      expect(problemsOf({ flags: { host, behindProxy: true } })).toEqual([]);
    });
  }
});

test("a database URL names its file, and is shown without secrets", () => {
  expect(databaseFile("file:my%20data/k%25.db")).toBe("my data/k%.db");
  expect(databaseFile("file:///var/k.db")).toBe("/var/k.db");
  expect(databaseFile("http://db")).toBeNull();
  for (const path of ["/a b/c?d#e%f.db", "kilde.db"]) expect(databaseFile(databaseFileUrl(path))).toBe(path);
  expect(shownDatabaseUrl("libsql://user:secret@db.example/x?authToken=secret")).toBe(
    "libsql://db.example/x",
  );
});

test("the nearest name is found, if one is near", () => {
  expect(nearest("prot", ["host", "port"])).toBe("port");
  expect(nearest("logLevl", ["logLevel", "port"])).toBe("logLevel");
  expect(nearest("something", ["port"])).toBeNull();
});

describe("kilde.config.ts", () => {
  // `migrate` reads the settings like every verb, and ends without a signal.
  const migrate = async (files: Record<string, string>, args: string[] = []) => {
    const cwd = emptyFolder();
    for (const [name, text] of Object.entries(files)) await Bun.write(join(cwd, name), text);
    return { cwd, ...(await run(["migrate", ...args], { cwd })) };
  };

  test("is loaded from the working directory, with kilde and zod from the program", async () => {
    const { cwd, exitCode } = await migrate({
      "kilde.config.ts": `
        import { defineConfig } from "kilde";
        import { z } from "zod";
        import { folder } from "./folder.ts";
        export default defineConfig({ databaseUrl: z.string().parse(await Promise.resolve(\`file:\${folder}/k.db\`)) });
      `,
      "folder.ts": `export const folder: string = "from-config";`,
    });
    expect(exitCode).toBe(0);
    expect(await Bun.file(join(cwd, "from-config/k.db")).exists()).toBe(true);
  });

  test("may be named, and then must be there", async () => {
    const config = { "other.ts": `export default { databaseUrl: "file:other.db" };` };
    expect((await migrate(config, ["--config", "other.ts"])).exitCode).toBe(0);
    const { exitCode, stderr } = await migrate(config, ["--config", "none.ts"]);
    expect(exitCode).toBe(2);
    expect(stderr).toBe('kilde: config: there is no file "none.ts" (flag --config)\n');
  });

  const broken: readonly (readonly [string, string])[] = [
    ["export default { port: 1 ", 'Expected "}" but found end of file'],
    ['throw new Error("boo")', "kilde.config.ts:1:11"],
    ['import { x } from "./none.ts"; export default { port: x };', "none.ts"],
    ["export const port = 1;", "must export its settings"],
    ["export default [];", "must export its settings"],
    ["export default { port: -1 };", "port: -1 must be a whole number from 0 to 65535 (kilde.config.ts)"],
  ];
  for (const [text, problem] of broken) {
    test(`is refused when it holds ${text}`, async () => {
      const { exitCode, stderr } = await migrate({ "kilde.config.ts": text });
      expect(stderr).toContain(problem);
      expect(stderr).not.toContain("    at ");
      expect(exitCode).toBe(2);
    });
  }
});
