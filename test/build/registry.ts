/** A registry that npm publishes to and reads from. */
export interface Registry {
  readonly url: string;
  readonly requests: number;
  /** Names of the published packages, in the order in which they came. */
  readonly published: readonly string[];
  integrityOf(name: string): string | undefined;
  /** Refuses to publish a package from now on; null: none. */
  refuse(name: string | null): void;
  /** Answers no request for the description of a package. */
  refuseReads(): void;
  stop(): Promise<void>;
}

interface Version {
  readonly dist: { readonly integrity: string };
}

interface Packument {
  readonly name: string;
  readonly versions: Readonly<Record<string, Version>>;
}

/** Keeps what it is given, and refuses a version that it has, as npm's registry does. */
export function startRegistry(): Registry {
  const packages = new Map<string, Packument>();
  const published: string[] = [];
  let refused: string | null = null;
  let reads = true;
  let requests = 0;

  async function receive(name: string, request: Request): Promise<Response> {
    const given = (await request.json()) as Packument;
    const known = packages.get(name)?.versions ?? {};
    if (name === refused) return Response.json({ error: "not now" }, { status: 403 });
    if (Object.keys(given.versions).some((version) => version in known)) {
      return Response.json({ error: "a version cannot be published again" }, { status: 403 });
    }
    packages.set(name, { ...given, versions: { ...known, ...given.versions } });
    published.push(name);
    return Response.json({ ok: true }, { status: 201 });
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      requests += 1;
      const name = decodeURIComponent(new URL(request.url).pathname.slice(1));
      if (request.method === "PUT") return receive(name, request);
      if (!reads) return Response.json({ error: "down" }, { status: 503 });
      const known = packages.get(name);
      return known === undefined
        ? Response.json({ error: "not found" }, { status: 404 })
        : Response.json(known);
    },
  });
  return {
    url: server.url.href,
    get requests() {
      return requests;
    },
    published,
    integrityOf: (name) => Object.values(packages.get(name)?.versions ?? {})[0]?.dist.integrity,
    refuse: (name) => {
      refused = name;
    },
    refuseReads: () => {
      reads = false;
    },
    stop: () => server.stop(true),
  };
}
