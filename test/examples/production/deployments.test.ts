import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { version } from "../../../package.json" with { type: "json" };
import { unknownVariables } from "../../../src/config/unknown-variables.ts";
import { cleanUp, run } from "../../cli/support.ts";

cleanUp();

const HERE = import.meta.dir;
const textOf = (name: string) => readFileSync(join(HERE, name), "utf8");

test("the files take the image of this version", () => {
  const images = ["compose.yaml", "fly.toml"].map(
    (name) => /image\W+(\S+?\/kilde:[\d.]+)/.exec(textOf(name))?.[1],
  );
  expect(images).toEqual([`ghcr.io/example/kilde:${version}`, `ghcr.io/example/kilde:${version}`]);
  expect(Bun.YAML.parse(textOf("helm/Chart.yaml"))).toMatchObject({ version, appVersion: version });
});

describe("the compose file", () => {
  const { services } = Bun.YAML.parse(textOf("compose.yaml")) as {
    services: { kilde: { environment: Record<string, string>; volumes: string[]; tmpfs: string[] } };
  };

  test("sets known settings, keeps the data in a volume, and lets the binary load its addon", () => {
    expect(unknownVariables(services.kilde.environment)).toEqual([]);
    expect(services.kilde.volumes).toEqual(["data:/data"]);
    expect(services.kilde.tmpfs).toEqual(["/tmp:exec,mode=1777"]);
  });
});

test("fly.toml: it sets known settings, and mounts the volume that has the database", () => {
  const fly = Bun.TOML.parse(textOf("fly.toml")) as {
    env: Record<string, string>;
    mounts: readonly { destination: string }[];
    http_service: { internal_port: number; checks: readonly { path: string }[] };
  };
  expect(unknownVariables(fly.env)).toEqual([]);
  expect(fly.env["KILDE_DATABASE_URL"]).toBe(`file:${fly.mounts[0]?.destination}/kilde.db`);
  expect(fly.http_service).toMatchObject({ internal_port: 4000, checks: [{ path: "/ready" }] });
});

interface Resource {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec?: unknown;
}

describe.skipIf(Bun.which("helm") === null)("the Helm chart", () => {
  const chart = join(HERE, "helm");
  const helm = (args: readonly string[]) => run(args, { cwd: HERE, program: ["helm"] });

  async function rendered(args: readonly string[] = []): Promise<readonly Resource[]> {
    const { exitCode, stdout, stderr } = await helm(["template", "events", chart, ...args]);
    expect([exitCode, stderr]).toEqual([0, ""]);
    return Bun.YAML.parse(stdout) as readonly Resource[];
  }

  test("passes the linter", async () => {
    const { exitCode, stdout } = await helm(["lint", "--strict", chart]);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("1 chart(s) linted, 0 chart(s) failed")]);
  });

  test("keeps a database file in a volume of the pod", async () => {
    const resources = await rendered();
    expect(resources.map(({ kind }) => kind)).toEqual(["Service", "StatefulSet"]);
    expect(resources[1]?.spec).toMatchObject({
      replicas: 1,
      volumeClaimTemplates: [{ metadata: { name: "data" } }],
    });
  });

  test("runs several pods on a libSQL server only, and mounts the configuration", async () => {
    const refused = await helm(["template", "events", chart, "--set", "replicas=3"]);
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringContaining("A database file has one process"),
    ]);
    const values = ["replicas=3", "databaseUrl=http://sqld:8080", "config=export default {}"];
    const resources = await rendered(values.flatMap((value) => ["--set", value]));
    expect(resources.map(({ kind }) => kind)).toEqual(["ConfigMap", "Service", "StatefulSet"]);
    expect(resources[2]?.spec).toMatchObject({ replicas: 3 });
    expect(resources[2]?.spec).not.toHaveProperty("volumeClaimTemplates");
  });
});
