import consumer from "./initial-service/consumer.js.txt" with { type: "text" };
import feed from "./initial-service/feed.js.txt" with { type: "text" };
import config from "./initial-service/kilde.config.ts.txt" with { type: "text" };
import readme from "./initial-service/README.md.txt" with { type: "text" };
import service from "./initial-service/service.js.txt" with { type: "text" };
import test from "./initial-service/service.test.js.txt" with { type: "text" };

/**
 * The files of a new service with one feed, one consumer and their test, by path. Plain JavaScript with types in comments:
 * each supported version of Node runs them, without a build.
 */
export function initialFiles(name: string, version: string): Readonly<Record<string, string>> {
  const files = {
    "kilde.config.ts": config,
    "src/feed.js": feed,
    "src/consumer.js": consumer,
    "src/service.js": service,
    "test/service.test.js": test,
    "README.md": readme,
    ".gitignore": "node_modules/\ndata/\n",
  };
  const named = Object.entries(files).map(([path, text]) => [path, text.replaceAll("{name}", name)]);
  return { "package.json": manifest(name, version), ...(Object.fromEntries(named) as typeof files) };
}

function manifest(name: string, version: string): string {
  const content = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: { serve: "kilde serve", start: "node src/service.js", test: "node --test" },
    dependencies: { kilde: `^${version}` },
    devDependencies: { "@kilde/server": `^${version}`, zod: "^4.6.7" },
    engines: { node: ">=20.3" },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}
