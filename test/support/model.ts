import { expect } from "bun:test";

import fc from "fast-check";

import { jsonPost, type TestApp, type WireEvent } from "./app.ts";

/*
 * The event log as a plain program would keep it, and random work done on both: what the store answers and what
 * it then holds must be what the model says.
 */

type Expectation = "any" | "exists" | "none" | "current" | "behind" | "ahead";

interface ModelPart {
  readonly stream: string;
  readonly types: readonly string[];
  readonly expectation: Expectation;
}

type Command =
  | { readonly kind: "transact"; readonly parts: readonly ModelPart[]; readonly key: string | null }
  | { readonly kind: "erase"; readonly stream: string }
  | { readonly kind: "truncate"; readonly stream: string; readonly before: number };

interface ModelEvent {
  readonly position: number;
  readonly version: number;
  readonly type: string;
  readonly stream: string;
}

interface ModelStream {
  version: number;
  erased: boolean;
}

const STREAMS = ["a", "a/1", "b", "ä"];
const TYPES = ["X", "Y", "Z"];

const part = fc.record({
  stream: fc.constantFrom(...STREAMS),
  types: fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 4 }),
  expectation: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Expectation>("any", "current") },
    { weight: 1, arbitrary: fc.constantFrom<Expectation>("exists", "none", "behind", "ahead") },
  ),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("transact" as const),
      parts: fc.array(part, { minLength: 1, maxLength: 3 }),
      key: fc.option(fc.constantFrom("k1", "k2", "k3")),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("erase" as const), stream: fc.constantFrom(...STREAMS) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("truncate" as const),
      stream: fc.constantFrom(...STREAMS),
      before: fc.integer({ min: 1, max: 8 }),
    }),
  },
);

function createModel() {
  const streams = new Map<string, ModelStream>();
  const keys = new Map<string, { body: string; answer: unknown }>();
  let events: ModelEvent[] = [];
  let head = 0;
  const at = (stream: string): ModelStream => streams.get(stream) ?? { version: 0, erased: false };

  const expectedVersion = ({ stream, expectation }: ModelPart, pending: ReadonlyMap<string, ModelStream>) => {
    const { version } = pending.get(stream) ?? at(stream);
    switch (expectation) {
      case "any":
      case "exists":
        return expectation;
      case "none":
        return 0;
      case "current":
        return version;
      case "behind":
        return Math.max(0, version - 1);
      case "ahead":
        return version + 1;
    }
  };

  /** The request's body: what "current" means is what the model holds when it is sent. */
  const bodyOf = (parts: readonly ModelPart[]) => {
    const pending = new Map<string, ModelStream>();
    return parts.map((item) => {
      const expected = expectedVersion(item, pending);
      const { version } = pending.get(item.stream) ?? at(item.stream);
      pending.set(item.stream, { version: version + item.types.length, erased: false });
      return { stream: item.stream, events: item.types.map((type) => ({ type })), expectedVersion: expected };
    });
  };

  const transact = (
    appends: ReturnType<typeof bodyOf>,
    key: string | null,
  ): { status: number; answer?: unknown } => {
    const body = JSON.stringify(appends);
    const first = key === null ? undefined : keys.get(key);
    if (first !== undefined)
      return first.body === body ? { status: 201, answer: first.answer } : { status: 422 };
    const pending = new Map<string, ModelStream>();
    const placed: ModelEvent[] = [];
    const results: unknown[] = [];
    for (const { stream, events: added, expectedVersion: expected } of appends) {
      const { version, erased } = pending.get(stream) ?? at(stream);
      const accepted =
        typeof expected === "number" ? expected === version : !erased && (expected === "any" || version > 0);
      if (!accepted) return { status: 409 };
      for (const [index, { type }] of added.entries()) {
        placed.push({ stream, type, version: version + index + 1, position: head + placed.length + 1 });
      }
      const last = version + added.length;
      pending.set(stream, { version: last, erased: false });
      results.push({ stream, version: last, position: head + placed.length, count: added.length });
    }
    for (const [stream, state] of pending) streams.set(stream, state);
    events.push(...placed);
    head += placed.length;
    const answer = { results, position: head };
    if (key !== null) keys.set(key, { body, answer });
    return { status: 201, answer };
  };

  return {
    bodyOf,
    transact,
    erase(stream: string): number {
      const { version, erased } = at(stream);
      if (version === 0) return 404;
      if (erased) return 409;
      head += 1;
      events = events.filter((event) => event.stream !== stream);
      events.push({ stream, type: "kilde.erased", version: version + 1, position: head });
      streams.set(stream, { version: version + 1, erased: true });
      return 200;
    },
    truncate(stream: string, before: number): number {
      const { version } = at(stream);
      if (version === 0) return 404;
      if (before > version) return 400;
      events = events.filter((event) => event.stream !== stream || event.version >= before);
      return 200;
    },
    events: () => events,
    head: () => head,
    streams: () => streams,
  };
}

type Model = ReturnType<typeof createModel>;

async function perform(app: TestApp, model: Model, item: Command): Promise<void> {
  switch (item.kind) {
    case "transact": {
      const appends = model.bodyOf(item.parts);
      const headers: Record<string, string> = item.key === null ? {} : { "idempotency-key": item.key };
      const response = await app.fetch("/transactions", jsonPost({ appends }, headers));
      const { status, answer } = model.transact(appends, item.key);
      expect(response.status).toBe(status);
      if (answer !== undefined) expect(await response.json()).toEqual(answer);
      return;
    }
    case "erase": {
      const path = `/streams/${encodeURIComponent(item.stream)}?reason=r`;
      expect((await app.fetch(path, { method: "DELETE" })).status).toBe(model.erase(item.stream));
      return;
    }
    case "truncate": {
      const path = `/streams/${encodeURIComponent(item.stream)}?before=${item.before}`;
      const response = await app.fetch(path, { method: "DELETE" });
      expect(response.status).toBe(model.truncate(item.stream, item.before));
    }
  }
}

function essence({ id, subject, type, sequence }: WireEvent): ModelEvent {
  return { position: Number(id), version: Number(sequence), type, stream: subject };
}

async function pagesOf(app: TestApp, path: string): Promise<ModelEvent[]> {
  const all: ModelEvent[] = [];
  for (let cursor = ""; ;) {
    const page = await app.get(path + cursor);
    const last = page.at(-1);
    if (last === undefined) return all;
    all.push(...page.map(essence));
    cursor = `&lastEventId=${last.id}`;
  }
}

async function compare(app: TestApp, model: Model, limit: number, types: readonly string[]): Promise<void> {
  expect(await app.store.reader.head()).toBe(model.head());
  const events = model.events();
  const wanted = types.length === 0 ? events : events.filter(({ type }) => types.includes(type));
  const query = `?limit=${limit}${types.map((type) => `&type=${type}`).join("")}`;
  expect(await pagesOf(app, `/events${query}`)).toEqual([...wanted]);
  expect(await pagesOf(app, `/events${query}&direction=backwards`)).toEqual(wanted.toReversed());
  expect(await pagesOf(app, `/events${query}&subjectPrefix=a`)).toEqual(
    wanted.filter(({ stream }) => stream.startsWith("a")),
  );
  for (const stream of model.streams().keys()) {
    const own = wanted.filter((event) => event.stream === stream);
    const path = `/streams/${encodeURIComponent(stream)}${query}`;
    expect(await pagesOf(app, path)).toEqual(own);
    expect(await pagesOf(app, `${path}&direction=backwards`)).toEqual(own.toReversed());
  }
  const listed = await app.get<{ streams: { stream: string; version: number; erased: boolean }[] }>(
    "/streams",
  );
  expect(new Map(listed.streams.map(({ stream, version, erased }) => [stream, { version, erased }]))).toEqual(
    model.streams() as Map<string, { version: number; erased: boolean }>,
  );
}

/** Runs random work on fresh apps, and compares each with the model. `open` may clean up what the last one left. */
export async function checkAgainstModel(open: () => Promise<TestApp>, numRuns: number): Promise<void> {
  const work = fc.array(command, { minLength: 1, maxLength: 25 });
  const limits = fc.integer({ min: 1, max: 7 });
  await fc.assert(
    fc.asyncProperty(work, limits, fc.subarray(TYPES), async (commands, limit, types) => {
      const app = await open();
      const model = createModel();
      try {
        for (const item of commands) await perform(app, model, item);
        await compare(app, model, limit, types);
        expect(app.faults).toEqual([]);
      } finally {
        await app.close();
      }
    }),
    { numRuns },
  );
}
