import { readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";

import type { BunPlugin } from "bun";

const SOURCE = join(import.meta.dir, "..");

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** A file of the console. */
export interface BundledFile {
  readonly mediaType: string;
  readonly content: string;
}

/** The console as browsers load it: its files by name, and the names of those that its page refers to. */
export interface ConsoleBundle {
  readonly entry: { readonly script: string; readonly style: string; readonly icon: string };
  readonly files: ReadonlyMap<string, BundledFile>;
}

/** Returns the only name of a form. */
function only(names: readonly string[], form: RegExp): string {
  const [name, ...others] = names.filter((each) => form.test(each));
  if (name === undefined || others.length > 0)
    throw new Error(`The console must have one file like ${String(form)}, among ${names.join(", ")}`);
  return name;
}

/** Modules of the client that the page has in a smaller form. */
const SMALLER_MODULES: Readonly<Record<string, string>> = {
  // The page records no traces.
  "append-span": "export const appendInSpan = (_events, send) => send(null);",
  // No browser has the modules of Node.
  "node-transport": "export const nodeTransport = () => null;",
  // The compiler checks the options that the page states.
  options:
    "export const optionsOf = (_method, options) => options; export const checkedUrl = ({ url }) => url;",
};

const SMALLER_CLIENT: BunPlugin = {
  name: "smaller-client",
  setup(build) {
    for (const [name, contents] of Object.entries(SMALLER_MODULES))
      build.onLoad({ filter: new RegExp(`/client/${name}\\.ts$`) }, () => ({ contents, loader: "js" }));
  },
};

/** Members of uPlot that draw other charts than lines. */
const UNUSED_PATHS = ["stepped", "bars", "spline"];

/** Leaves out the assignments of members that no chart uses, so that the bundler leaves out their code: a tenth of uPlot. */
const SMALLER_CHARTS: BunPlugin = {
  name: "smaller-charts",
  setup(build) {
    build.onLoad({ filter: /\/uPlot\.esm\.js$/ }, async ({ path }) => {
      let contents = await Bun.file(path).text();
      for (const name of UNUSED_PATHS) {
        const assignment = new RegExp(`\\(paths\\.${name}\\s*= \\w+\\);`);
        if (!assignment.test(contents)) throw new Error(`${path} does not assign paths.${name}`);
        contents = contents.replace(assignment, "");
      }
      return { contents, loader: "js" };
    });
  },
};

/** Bundles the console: scripts that load when they are needed, and one style sheet. */
export async function bundleConsole(): Promise<ConsoleBundle> {
  const name = "[name]-[hash].[ext]";
  const { outputs } = await Bun.build({
    entrypoints: [join(SOURCE, "start.tsx"), join(SOURCE, "style/console.css")],
    target: "browser",
    format: "esm",
    splitting: true,
    minify: true,
    plugins: [SMALLER_CLIENT, SMALLER_CHARTS],
    sourcemap: "none",
    define: { "process.env.NODE_ENV": '"production"' },
    jsx: { runtime: "automatic", importSource: "preact", development: false },
    naming: { entry: name, chunk: name, asset: name },
  });
  const files = new Map<string, BundledFile>();
  const names: string[] = [];
  for (const output of outputs) {
    const file = basename(output.path);
    const mediaType = MEDIA_TYPES[extname(file)];
    if (mediaType === undefined) throw new Error(`The console has a file of another kind: ${file}`);
    files.set(file, { mediaType, content: await output.text() });
    // Scripts that views share have names like the first one, and are chunks.
    if (output.kind !== "chunk") names.push(file);
  }
  const content = readFileSync(join(SOURCE, "../docs/site/icon.svg"), "utf8");
  const icon = `icon-${Bun.hash(content).toString(36)}.svg`;
  files.set(icon, { mediaType: "image/svg+xml", content });
  return {
    entry: {
      script: only(names, /^start-.*\.js$/),
      style: only(names, /\.css$/),
      icon,
    },
    files,
  };
}
