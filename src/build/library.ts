interface LibraryPart {
  readonly name: string;
  readonly entry: string;
  /** `browser`: without modules of Bun or Node, so that it runs in browsers too. */
  readonly target: "browser" | "node" | "bun";
  /** Packages from npm are not bundled: npm installs them with this package. */
  readonly external?: "packages";
}

/** The entries of the package. */
export const LIBRARY: readonly LibraryPart[] = [
  { name: "index", entry: "src/index.ts", target: "browser" },
  { name: "client", entry: "src/client/index.ts", target: "browser" },
  { name: "webhook", entry: "src/webhooks/receive/index.ts", target: "browser" },
  { name: "worker", entry: "src/worker.ts", target: "browser" },
  { name: "decider", entry: "src/decider/index.ts", target: "browser" },
  { name: "embed", entry: "src/embed/index.ts", target: "node", external: "packages" },
  {
    name: "writer-thread",
    entry: "src/storage/writer/writer-thread.ts",
    target: "bun",
    external: "packages",
  },
  { name: "consumer", entry: "src/consumer/index.ts", target: "browser" },
  { name: "testing", entry: "src/testing.ts", target: "node" },
];
