import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";

import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";

/*
 * Many appends in one request have the outcomes, and leave the log, that they would if they were sent one after the
 * other.
 */

interface Entry {
  readonly stream: string;
  readonly events: readonly { readonly type: string; readonly data?: unknown }[];
  readonly expectedVersion?: number | "any" | "exists";
  readonly idempotencyKey?: string;
}

interface Request {
  readonly entries: readonly Entry[];
  readonly node: 0 | 1;
  readonly format: "array" | "lines";
}

const entry: fc.Arbitrary<Entry> = fc.record(
  {
    stream: fc.constantFrom("a", "b", "c"),
    events: fc.array(fc.record({ type: fc.constantFrom("T", "U", "kilde.x"), data: fc.nat(9) }), {
      minLength: 1,
      maxLength: 3,
    }),
    expectedVersion: fc.oneof(fc.nat(6), fc.constantFrom("any" as const, "exists" as const)),
    idempotencyKey: fc.constantFrom("k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"),
  },
  { requiredKeys: ["stream", "events"] },
);

const node = fc.constantFrom(0 as const, 1 as const);
const format = fc.constantFrom("array" as const, "lines" as const);
const request: fc.Arbitrary<Request> = fc.record({
  node,
  format,
  entries: fc.uniqueArray(entry, {
    minLength: 1,
    maxLength: 12,
    selector: ({ idempotencyKey }) => idempotencyKey ?? Symbol("none"),
  }),
});

/** Requests, some of which are followed by a repetition of their appends with keys, as after a lost answer. */
const requests = fc
  .array(fc.tuple(request, fc.option(fc.record({ node, format, isReversed: fc.boolean() }), { freq: 2 })), {
    minLength: 1,
    maxLength: 4,
  })
  .map((all) =>
    all.flatMap(([first, repetition]): Request[] => {
      const keyed = first.entries.filter(({ idempotencyKey }) => idempotencyKey !== undefined);
      if (repetition === null || keyed.length === 0) return [first];
      const { isReversed, ...how } = repetition;
      return [first, { ...how, entries: isReversed ? keyed.toReversed() : keyed }];
    }),
  );

interface Outcome {
  readonly status: number;
  readonly replayed?: true;
  readonly [member: string]: unknown;
}

/** Leaves out the members that differ between logs with the same events: a refusal states the head after the shared commit. */
function comparable({ log: _log, head: _head, ...outcome }: Outcome): Outcome {
  return outcome;
}

async function sendTogether(app: TestApp, { entries, format: sentAs }: Request): Promise<Outcome[]> {
  const lines = entries.map((each) => JSON.stringify(each)).join("\n");
  const headers = { "content-type": "application/x-ndjson" };
  const init = sentAs === "array" ? jsonPost(entries) : { method: "POST", body: lines, headers };
  const response = await app.fetch("/appends", init);
  const text = await response.text();
  expect([response.status, text]).toEqual([200, expect.anything()]);
  const outcomes = sentAs === "array" ? text : `[${text.trimEnd().replaceAll("\n", ",")}]`;
  return (JSON.parse(outcomes) as Outcome[]).map(comparable);
}

async function sendOne(app: TestApp, { stream, idempotencyKey, ...body }: Entry): Promise<Outcome> {
  const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
  const response = await app.fetch(`/streams/${stream}`, jsonPost(body, headers));
  const answer = (await response.json()) as object;
  const isReplayed = response.headers.has("idempotency-replayed");
  return comparable({ ...answer, status: response.status, ...(isReplayed ? { replayed: true } : {}) });
}

async function sendOneByOne(app: TestApp, entries: readonly Entry[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const each of entries) outcomes.push(await sendOne(app, each));
  return outcomes;
}

async function logOf(app: TestApp): Promise<unknown[]> {
  const events = await app.get("/events");
  return events.map(({ id, subject, sequence, type, data }) => ({ id, subject, sequence, type, data }));
}

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  describe(`many appends (${deployment.name})`, () => {
    /** Two nodes on a new database; the same node twice where a database can have only one. */
    async function openNodes(): Promise<{ nodes: [TestApp, TestApp]; close: () => Promise<void> }> {
      const opened = await deployment.open();
      const one = await openApp({ database: opened.database(), isShared: deployment.shared });
      const two = deployment.shared ? await openApp({ database: opened.database(), isShared: true }) : one;
      return {
        nodes: [one, two],
        async close() {
          await one.close();
          if (two !== one) await two.close();
          await opened.dispose();
        },
      };
    }

    const runs = deployment.name === "sqld" ? 8 : 30;

    test("have the outcomes and the log of the same appends one after the other, on two nodes", async () => {
      const seen = { appended: 0, replayed: 0, refused: 0 };
      const property = fc.asyncProperty(requests, async (all) => {
        const together = await openNodes();
        const single = await openApp();
        try {
          for (const each of all) {
            const outcomes = await sendTogether(together.nodes[each.node], each);
            expect(outcomes).toEqual(await sendOneByOne(single, each.entries));
            for (const { status, replayed } of outcomes)
              seen[status === 201 ? (replayed === true ? "replayed" : "appended") : "refused"] += 1;
          }
          expect(await logOf(together.nodes[1])).toEqual(await logOf(single));
        } finally {
          await together.close();
          await single.close();
        }
      });
      await fc.assert(property, { numRuns: runs });
      expect(Math.min(...Object.values(seen))).toBeGreaterThan(0);
    });

    describe("whose answers are lost", () => {
      let together: Awaited<ReturnType<typeof openNodes>>;
      beforeAll(async () => {
        together = await openNodes();
      });
      afterAll(() => together.close());

      let round = 0;
      test("are not doubled when the same appends arrive at two nodes at the same time", async () => {
        const places = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 2, maxLength: 40 });
        const property = fc.asyncProperty(places, fc.integer({ min: 1, max: 40 }), async (names, lost) => {
          round += 1;
          const at = `r${round}`;
          const entries = names.map((name, index) => ({
            stream: `${at}-${name}`,
            events: [{ type: "T", data: index }],
            idempotencyKey: `${at}-${index}`,
          }));
          const [one, two] = together.nodes;
          const all: Request = { entries, node: 0, format: "array" };
          const [first, again, singly] = await Promise.all([
            sendTogether(one, all),
            sendTogether(two, { ...all, entries: entries.slice(0, lost) }),
            sendOneByOne(two, entries.slice(0, 2)),
          ]);
          const last = await sendTogether(two, all);
          expect(last.every(({ status, replayed }) => status === 201 && replayed === true)).toBeTrue();
          const results = (outcomes: readonly Outcome[]) =>
            outcomes.map(({ replayed: _replayed, ...outcome }) => outcome);
          expect(results(first)).toEqual(results(last));
          expect(results(again)).toEqual(results(last).slice(0, lost));
          expect(results(singly)).toEqual(results(last).slice(0, 2));
          for (const name of new Set(names)) {
            const events = await two.get(`/streams/${at}-${name}`);
            const issued = names.flatMap((each, index) => (each === name ? [index] : []));
            expect(events.map(({ data }) => data)).toEqual(issued);
          }
        });
        await fc.assert(property, { numRuns: runs });
      });
    });
  });
});
