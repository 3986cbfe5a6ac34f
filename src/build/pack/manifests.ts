import project from "../../../package.json" with { type: "json" };
import {
  binaryName,
  type BinaryPlatform,
  platformPackage,
  PLATFORMS,
  SERVER_PACKAGE,
} from "../../launcher/platforms.ts";
import { LIBRARY } from "../library.ts";

type Json = Readonly<Record<string, unknown>>;

const { version, description, license, type, engines, exports, dependencies } = project;

/** The repository that publishes: registries link to it, and compare it with the signed origin of a package. */
function repository(slug: string | undefined): Json {
  return slug === undefined ? {} : { repository: { type: "git", url: `git+https://github.com/${slug}.git` } };
}

/** Each is installed by those who need it: `kilde` alone is what a service pays for. */
function optionalPeers(peers: Readonly<Record<string, string>>): Json {
  const optional = Object.keys(peers).map((name) => [name, { optional: true }]);
  return { peerDependencies: peers, peerDependenciesMeta: Object.fromEntries(optional) };
}

/** The command, and the entries that services and consumers import. */
export function kildeManifest(slug: string | undefined): Json {
  const servers = [SERVER_PACKAGE, ...PLATFORMS.map(({ id }) => platformPackage(id))];
  return {
    name: "kilde",
    version,
    description,
    license,
    ...repository(slug),
    bin: { kilde: "./bin/kilde.js" },
    files: ["bin", "dist"],
    type,
    exports: { ...exports, "./package.json": "./package.json" },
    engines,
    ...optionalPeers({
      zod: dependencies.zod,
      ...Object.fromEntries(servers.map((name) => [name, version])),
    }),
  };
}

/** The store within a service or a worker, and the server for Bun. */
export function serverManifest(slug: string | undefined): Json {
  const parts = LIBRARY.filter(({ from, isEntry }) => from === SERVER_PACKAGE && isEntry);
  const names = new Set(parts.map(({ name }) => `./${name}`));
  return {
    name: SERVER_PACKAGE,
    version,
    description: "Kilde within a service or a worker: the parts of kilde/embed and kilde/worker",
    license,
    ...repository(slug),
    files: ["dist", "server"],
    type,
    exports: {
      ...Object.fromEntries(Object.entries(exports).filter(([name]) => names.has(name))),
      "./package.json": "./package.json",
    },
    engines,
    dependencies: { libsql: dependencies.libsql },
    peerDependencies: { zod: dependencies.zod },
  };
}

/** The binary of a platform. */
export function platformManifest({ id, os, cpu, libc }: BinaryPlatform, slug: string | undefined): Json {
  return {
    name: platformPackage(id),
    version,
    description: `The binary of Kilde for ${id}`,
    license,
    ...repository(slug),
    type,
    files: [binaryName(os)],
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    // Package managers that keep archives would have to unpack the program for each start.
    preferUnplugged: true,
  };
}
