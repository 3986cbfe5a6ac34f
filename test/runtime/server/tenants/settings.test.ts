import { describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { ConfigError } from "../../../../src/config/config-error.ts";
import { loadSettings } from "../../../../src/config/load.ts";
import { resolveSettings, type Sources } from "../../../../src/config/resolve.ts";
import { cleanUp, emptyFolder } from "../../../cli/support.ts";
import { openApp } from "../../../support/app.ts";

cleanUp();

function resolved(file: Record<string, unknown>, given: Partial<Sources> = {}) {
  return resolveSettings({
    flags: {},
    environment: {},
    ...given,
    file: { path: "kilde.config.ts", value: file },
  });
}

function problemsOf(file: Record<string, unknown>, given: Partial<Sources> = {}): readonly string[] {
  try {
    resolved(file, given);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const a = { name: "a", path: "/a", databaseUrl: "file:a.db" };
const b = { name: "b", host: "b.example", databaseUrl: "file:b.db" };

describe("tenants", () => {
  test("are taken as they are written, and nobody is one by default", () => {
    expect(resolved({ tenants: [a, b] }).tenants).toEqual([a, b]);
    expect(resolved({}).tenants).toEqual([]);
  });

  test("have their tokens from the environment, which wins over the file", () => {
    const tenants = [
      { ...a, name: "shop-a", databaseUrl: "http://a.example", databaseAuthToken: "from-file" },
      { ...b, databaseUrl: "http://b.example", databaseAuthToken: "kept" },
    ];
    const environment = {
      KILDE_TENANT_SHOP_A_DATABASE_AUTH_TOKEN: "from-environment",
      KILDE_TENANT_B_DATABASE_AUTH_TOKEN: "",
      KILDE_DATABASE_AUTH_TOKEN: "of-the-rest",
    };
    expect(
      resolved({ tenants }, { environment }).tenants.map(({ databaseAuthToken }) => databaseAuthToken),
    ).toEqual(["from-environment", "kept"]);
  });

  test("stand beside databaseUrl only if that is set, wherever it is", () => {
    expect(resolved({ tenants: [a] }).databaseStated).toBe(false);
    expect(resolved({ tenants: [a], databaseUrl: "file:rest.db" }).databaseStated).toBe(true);
    const environment = { KILDE_DATABASE_URL: "file:rest.db" };
    expect(resolved({ tenants: [a] }, { environment }).databaseStated).toBe(true);
  });

  test("are bounded in number", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        name: `t${n}`,
        path: `/t${n}`,
        databaseUrl: `file:${n}.db`,
      }));
    expect(problemsOf({ tenants: many(100) })).toEqual([]);
    expect(problemsOf({ tenants: many(101) })).toEqual([
      "tenants: 101 are more than limits.tenants, 100 (kilde.config.ts)",
    ]);
    expect(problemsOf({ tenants: many(3), limits: { tenants: 2 } })).toHaveLength(1);
  });

  const faults: readonly (readonly [unknown, string])[] = [
    [5, "tenants: must be a list of tenants"],
    [["a"], "tenants.0: must be an object: { name, host or path, databaseUrl }"],
    [
      [{ ...a, name: "Shop A" }],
      'tenants.0.name: "Shop A" must be of at most 63 small letters, digits and hyphens, such as shop-a',
    ],
    [[{ ...a, name: "default" }], 'tenants.0.name: "default" stands for databaseUrl; choose another name'],
    [[a, { ...b, name: "a" }], 'tenants.1.name: "a" is the name of tenants.0.name already'],
    [[{ ...a, path: undefined }], "tenants.0: needs one of host and path"],
    [[{ ...a, host: "a.example" }], "tenants.0: needs one of host and path"],
    [[{ ...a, paths: "/x" }], "tenants.0.paths: there is no such setting; did you mean tenants.0.path?"],
    [
      [{ ...a, readUrll: "http://a.example" }],
      "tenants.0.readUrll: there is no such setting; did you mean tenants.0.readUrl?",
    ],
    [[{ ...a, databaseUrl: undefined }], "tenants.0.databaseUrl: must be a URL"],
    [
      [{ ...a, databaseUrl: "a.db" }],
      'tenants.0.databaseUrl: "a.db" must be file:<path>, :memory:, or the http(s):// or libsql:// address of a libSQL server',
    ],
    [[{ ...a, databaseAuthToken: ["secret"] }], "tenants.0.databaseAuthToken: must be a text"],
    [
      [{ ...a, databaseUrl: "http://a.example", readUrl: "file:replica.db" }],
      'tenants.0.readUrl: "file:replica.db" must be the http(s):// or libsql:// address of a libSQL server',
    ],
    [
      [{ ...a, readUrl: "http://replica.example" }],
      "tenants.0.readUrl: only libSQL servers have replicas, and databaseUrl is not one",
    ],
    [
      [{ ...b, host: "b.example:8080" }],
      'tenants.0.host: "b.example:8080" must be a host name without a port, such as shop-a.example',
    ],
    [[{ ...b, host: "" }], 'tenants.0.host: "" must be a host name without a port, such as shop-a.example'],
    [
      [a, b, { ...b, name: "c", host: "B.Example", databaseUrl: "file:c.db" }],
      'tenants.2.host: "B.Example" is the host of tenants.1.host already',
    ],
    ...["a", "/", "/a/", "/a//b", "/a b", "/a/../b", "/%61"].map((path): readonly [unknown, string] => [
      [{ ...a, path }],
      `tenants.0.path: ${JSON.stringify(path)} must be a path without an end, such as /shop-a`,
    ]),
    [
      [{ ...a, path: "/events" }],
      'tenants.0.path: "/events" begins as one of Kilde\'s own paths; choose another',
    ],
    [
      [a, { ...a, name: "c", databaseUrl: "file:c.db" }],
      'tenants.1.path: "/a" is the path of tenants.0.path already',
    ],
    [
      [
        { ...a, path: "/a/b" },
        { ...a, name: "c", databaseUrl: "file:c.db" },
      ],
      'tenants.0.path: "/a/b" lies below "/a", tenants.1.path',
    ],
    [
      [a, { ...b, databaseUrl: "file:./a.db" }],
      "tenants.1.databaseUrl: is the database of tenants.0.databaseUrl already",
    ],
  ];
  for (const [tenants, problem] of faults) {
    test(`refuse: ${problem}`, () =>
      expect(problemsOf({ tenants })).toEqual([`${problem} (kilde.config.ts)`]));
  }

  test("may have paths that begin alike, and databases in memory", () => {
    const tenants = ["/a", "/ab", "/b/a", "/b/b"].map((path, n) => ({
      name: `t${n}`,
      path,
      databaseUrl: ":memory:",
    }));
    expect(problemsOf({ tenants })).toEqual([]);
  });

  test("do not share the database of the rest, and no URL is shown with its token", () => {
    const databaseUrl = "libsql://db.example?authToken=secret";
    expect(problemsOf({ databaseUrl, tenants: [{ ...a, databaseUrl }] })).toEqual([
      "tenants.0.databaseUrl: is the database of databaseUrl already (kilde.config.ts)",
    ]);
  });

  test("do not share a libSQL server that is written otherwise", () => {
    const same = [
      ["libsql://DB.example", "https://db.example:443/"],
      ["libsql://db.example?authToken=x", "https://db.example./?authToken=y"],
      ["libsql://db.example:8080?tls=0", "http://db.example:8080"],
      ["http://localhost:8080", "http://127.0.0.1:8080/"],
      ["http://user:secret@db.example", "http://db.example:80"],
    ] as const;
    for (const [one, other] of same) {
      const tenants = [
        { ...a, databaseUrl: one },
        { ...b, databaseUrl: other },
      ];
      expect(problemsOf({ tenants })).toEqual([
        "tenants.1.databaseUrl: is the database of tenants.0.databaseUrl already (kilde.config.ts)",
      ]);
    }
    const others = [
      "http://db.example:8080",
      "https://db.example",
      "https://db.example/a",
      "https://db.example/b",
    ];
    const tenants = others.map((databaseUrl, n) => ({ name: `t${n}`, path: `/t${n}`, databaseUrl }));
    expect(problemsOf({ tenants })).toEqual([]);
  });

  describe("a file of a tenant", () => {
    let files = 0;
    const problems = async (cwd: string, urls: readonly string[]) => {
      const tenants = urls.map((databaseUrl, n) => ({ name: `t${n}`, path: `/t${n}`, databaseUrl }));
      // Each in a file of its own, since a module is loaded once.
      const config = join(cwd, `config-${(files += 1)}.ts`);
      await Bun.write(config, `export default { tenants: ${JSON.stringify(tenants)} };`);
      try {
        await loadSettings({ flags: { config }, environment: {}, cwd });
      } catch (error) {
        if (error instanceof ConfigError) return error.problems.length;
        throw error;
      }
      return 0;
    };
    const names = (cwd: string): Record<string, string> => ({
      "a path from elsewhere": "file:sub/../data/a.db",
      "an absolute path": `file:${cwd}/data/a.db`,
      "an absolute URL": `file://${cwd}/data/a.db`,
      "a URL of this host": `file://localhost${cwd}/data/a.db`,
      escapes: "file:data/%61.db",
      "a link to the file": "file:link.db",
      "a link to the folder": "file:linked/a.db",
    });
    for (const isThere of [true, false]) {
      test(`is not shared when it is named otherwise and is ${isThere ? "" : "not "}there`, async () => {
        const cwd = emptyFolder();
        mkdirSync(join(cwd, "data"));
        if (isThere) await Bun.write(join(cwd, "data/a.db"), "");
        symlinkSync("data/a.db", join(cwd, "link.db"));
        symlinkSync("data", join(cwd, "linked"));
        for (const [name, other] of Object.entries(names(cwd))) {
          expect([name, await problems(cwd, ["file:data/a.db", other])]).toEqual([name, 1]);
        }
        expect(await problems(cwd, ["file:data/a.db", "file:data/b.db", "file:a.db"])).toBe(0);
      });
    }

    test("is not shared by a hard link", async () => {
      const cwd = emptyFolder();
      await Bun.write(join(cwd, "a.db"), "");
      linkSync(join(cwd, "a.db"), join(cwd, "b.db"));
      expect(await problems(cwd, ["file:a.db", "file:b.db"])).toBe(1);
    });
  });

  test("have the limits of the libSQL server that they are on", () => {
    const tenants = [{ ...a, databaseUrl: "http://a.db.internal" }];
    expect(problemsOf({ tenants, limits: { eventBytes: 2_400_000 } })).toHaveLength(1);
  });

  test("cannot be where Kilde's own paths are", async () => {
    const app = await openApp();
    const { links } = await app.get<{ links: Record<string, string> }>("/");
    for (const link of [...Object.values(links), "/docs", "/problems/internal"]) {
      expect([link, problemsOf({ tenants: [{ ...a, path: link.replaceAll(/[{}]/g, "") }] }).length]).toEqual([
        link,
        1,
      ]);
    }
    await app.close();
  });
});
