import type { SERVER_PACKAGE } from "../launcher/platforms.ts";

export interface LibraryPart {
  readonly name: string;
  readonly entry: string;
  /** The package from npm that contains it. */
  readonly from: "kilde" | typeof SERVER_PACKAGE;
  /** `browser`: without modules of Bun or Node, so that it runs in browsers too. */
  readonly target: "browser" | "node" | "bun";
  /** Programs import it. The others are threads of such a part. */
  readonly isEntry: boolean;
}

/** The parts of the library. */
export const LIBRARY: readonly LibraryPart[] = [
  { name: "index", entry: "src/index.ts", from: "kilde", target: "browser", isEntry: true },
  { name: "client", entry: "src/client/index.ts", from: "kilde", target: "browser", isEntry: true },
  {
    name: "webhook",
    entry: "src/webhooks/receive/index.ts",
    from: "kilde",
    target: "browser",
    isEntry: true,
  },
  { name: "decider", entry: "src/decider/index.ts", from: "kilde", target: "browser", isEntry: true },
  { name: "consumer", entry: "src/consumer/index.ts", from: "kilde", target: "browser", isEntry: true },
  { name: "testing", entry: "src/testing.ts", from: "kilde", target: "node", isEntry: true },
  { name: "worker", entry: "src/worker.ts", from: "@kilde/server", target: "browser", isEntry: true },
  { name: "embed", entry: "src/embed/index.ts", from: "@kilde/server", target: "node", isEntry: true },
  {
    name: "writer-thread",
    entry: "src/storage/writer/writer-thread.ts",
    from: "@kilde/server",
    target: "bun",
    isEntry: false,
  },
];
