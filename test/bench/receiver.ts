/*
 * A receiver of webhooks as a process of its own. It does as little as a receiver can: it notes when each event arrived,
 * and those that arrived out of order. `GET /` returns both; `POST /reset` forgets both. Events of subjects named
 * `poisoned` are refused.
 */

interface Delivered {
  readonly subject: string;
  readonly sequence: string;
  readonly data: { readonly sentMs?: number };
}

let count = 0;
let outOfOrder = 0;
let last = new Map<string, number>();
let latencies: number[] = [];

function note({ subject, sequence, data }: Delivered): void {
  count += 1;
  const version = Number(sequence);
  if (version !== (last.get(subject) ?? 0) + 1) outOfOrder += 1;
  last.set(subject, version);
  if (data.sentMs !== undefined) latencies.push(performance.timeOrigin + performance.now() - data.sentMs);
}

const server = Bun.serve({
  port: Number(process.argv[2]),
  async fetch(request) {
    if (request.method === "GET") return Response.json({ count, outOfOrder, latencies });
    const text = await request.text();
    if (new URL(request.url).pathname === "/reset") {
      [count, outOfOrder, last, latencies] = [0, 0, new Map(), []];
      return new Response(null, { status: 204 });
    }
    const body = JSON.parse(text) as Delivered | Delivered[];
    const events = Array.isArray(body) ? body : [body];
    if (events.some(({ subject }) => subject === "poisoned")) return new Response(null, { status: 400 });
    for (const event of events) note(event);
    return new Response(null, { status: 204 });
  },
});

console.log(`listens on ${server.port}`);
