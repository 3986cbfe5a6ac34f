import { serve } from "bun";

/*
 * A faulty broker between Kilde and the cards service: it acknowledges every delivery, then loses those that it was
 * asked to lose, repeats each third delivery, and lets each fifth wait until another has passed it. Argument: where
 * deliveries go. `PUT /lose` has a JSON array of `subject/version`.
 */

const [target = ""] = process.argv.slice(2);
let lose = new Set<string>();
let held: (() => Promise<unknown>) | null = null;
const counts = { passed: 0, lost: 0, repeated: 0, overtaken: 0 };

const server = serve({
  port: 0,
  async fetch(request) {
    if (request.method === "GET") return Response.json(counts);
    const body = await request.text();
    if (request.method === "PUT") {
      lose = new Set(JSON.parse(body) as string[]);
      return new Response(null, { status: 204 });
    }
    const { subject, sequence } = JSON.parse(body) as { subject: string; sequence: string };
    if (lose.has(`${subject}/${Number(sequence)}`)) {
      counts.lost += 1;
      return new Response(null, { status: 204 });
    }
    counts.passed += 1;
    const { headers } = request;
    headers.delete("host");
    const pass = () => fetch(target, { method: "POST", headers, body }).catch(() => null);
    if (counts.passed % 5 === 0) {
      counts.overtaken += 1;
      held = pass;
      setTimeout(() => void pass(), 200);
    } else {
      await pass();
      await held?.();
      held = null;
    }
    if (counts.passed % 3 === 0) {
      counts.repeated += 1;
      void pass();
    }
    return new Response(null, { status: 204 });
  },
});
console.log(server.url.href);
