/** The fate of a request: it goes through, is lost before it arrives, or its answer is lost. */
export type Fate = "through" | "lost" | "unanswered";

export interface FaultyProxy {
  readonly url: string;
  stop(): Promise<void>;
}

const decoder = new TextDecoder();

/** Stands before a server, and lets some requests fail; those that are to be slow wait for their fate. */
export function startFaultyProxy(
  target: string,
  fateOfNext: (body: string) => Fate | Promise<Fate>,
): FaultyProxy {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const { method, headers } = request;
      const body = method === "GET" ? null : await request.arrayBuffer();
      const fate = await fateOfNext(body === null ? "" : decoder.decode(body));
      if (fate === "lost") return new Response("lost", { status: 502 });
      const response = await fetch(`${target}${pathname}${search}`, { method, headers, body });
      const answer = await response.arrayBuffer();
      if (fate === "unanswered") return new Response("unanswered", { status: 502 });
      // Its encoding is undone by now.
      const type = response.headers.get("content-type") ?? "application/octet-stream";
      return new Response(answer, { status: response.status, headers: { "content-type": type } });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
