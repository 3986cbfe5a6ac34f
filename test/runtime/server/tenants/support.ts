import { join } from "node:path";

import { emptyFolder, type Served } from "../../../cli/support.ts";
import { jsonPost, type WireEvent } from "../../../support/app.ts";

/** One tenant by path, and one by host; `*.localhost` is this machine. */
export const TENANTS = `[
  { name: "shop-a", path: "/shops/a", databaseUrl: "file:data/a.db" },
  { name: "shop-b", host: "Shop-B.localhost", databaseUrl: "file:data/b.db" },
]`;

export const FEEDS = `[
  defineFeed({
    name: "sums",
    version: 1,
    source: { streams: "count-" },
    events: { Added: z.object({ n: z.int() }) },
    contract: { Summed: z.object({ sum: z.int() }) },
    state: { initial: { sum: 0 }, evolve: { Added: (state, { data }) => ({ sum: state.sum + data.n }) } },
    publish: {
      Added({ data }, { sum }) {
        if (data.n === 13) throw new Error("unlucky");
        return { type: "Summed", data: { sum } };
      },
    },
  }),
]`;

/** A folder with a configuration, of the text of its settings. */
export async function configured(settings: string, cwd = emptyFolder()): Promise<string> {
  const text = `import { defineConfig, defineFeed } from "kilde";
    import { z } from "zod";
    export default defineConfig({ ${settings} });`;
  await Bun.write(join(cwd, "kilde.config.ts"), text);
  return cwd;
}

/** A tenant of a server. */
export interface Tenant {
  readonly url: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  get<Body = WireEvent[]>(path: string): Promise<Body>;
  append(stream: string, ...ns: number[]): Promise<Response>;
}

export function at(url: string): Tenant {
  const call = (path: string, init?: RequestInit) => fetch(url + path, init);
  return {
    url,
    fetch: call,
    async get<Body>(path: string) {
      const response = await call(path);
      if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as Body;
    },
    append: (stream, ...ns) =>
      call(`/streams/${stream}`, jsonPost({ events: ns.map((n) => ({ type: "Added", data: { n } })) })),
  };
}

/** The two of `TENANTS`. */
export function tenantsOf({ url }: Served): { readonly a: Tenant; readonly b: Tenant } {
  const { port } = new URL(url);
  return { a: at(`${url}/shops/a`), b: at(`http://shop-b.localhost:${port}`) };
}
