import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";

import { KildeError } from "../../../src/core/errors.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { createClient } from "../../../src/client/index.ts";
import { readLargeAppend, readLargeTransaction } from "../../../src/http/wire/large-body.ts";
import {
  type AppendHead,
  type IncomingPart,
  readAppend,
  readTransaction,
} from "../../../src/http/streams/new-events.ts";
import type { BodyFault } from "../../../src/http/streams/body-fault.ts";
import { readEntries, readLargeEntries } from "../../../src/http/streams/entries.ts";
import { LISTED_FAULTS } from "../../../src/http/pipeline/problems.ts";
import { createSchemas } from "../../../src/http/openapi/schemas.ts";
import { type OpenServer, openServer } from "../../support/open-server.ts";

/*
 * A large body is read in another way than a small one, and with the same result.
 */

const limits = { ...DEFAULT_LIMITS, eventsPerAppend: 6, eventBytes: 200, metadataBytes: 100 };
const reading = { limits, schemas: createSchemas(limits) };

interface Outcome {
  readonly read?: unknown;
  readonly code?: string;
  readonly limit?: string | undefined;
  readonly listed?: readonly string[];
  readonly errorCount?: number;
}

/** The outcome of reading a body: the events, or the reason of a refusal. */
function outcomeOf(read: () => unknown): Outcome {
  try {
    return { read: read() };
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    const { errors = [], errorCount = errors.length } = error.members;
    const listed = errors.map(({ pointer, detail }) => `${pointer} ${detail}`).toSorted();
    return error.code === "invalid-body"
      ? { code: error.code, listed, errorCount }
      : { code: error.code, limit: error.members.limit };
  }
}

/**
 * Too many events are refused before the rest of a large body is looked at, whatever else is wrong there. And all events
 * are checked in every way, where a small body is checked in one way after the other.
 */
function expectSame(large: Outcome, small: Outcome): void {
  if (large.limit === "eventsPerAppend") {
    expect(small.code).toBeDefined();
  } else if (small.code === "invalid-body") {
    expect(large.code).toBe(small.code);
    // Only the first of them are listed.
    if (large.listed?.length === LISTED_FAULTS) return;
    expect(large.listed).toEqual(expect.arrayContaining([...(small.listed ?? [])]));
  } else {
    expect(large).toEqual(small);
  }
}

const space = fc.constantFrom("", " ", "\n  ", "\t");
const scalar = fc.constantFrom(
  "1",
  "1.50",
  "-0",
  "1e400",
  "true",
  "null",
  '"a"',
  '"\\u0041,]}"',
  '"é\\n"',
  "tru",
  '"\\ud800"',
  "01",
);
const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc
      .tuple(space, fc.array(tie("value"), { maxLength: 3 }))
      .map(([s, items]) => `[${s}${items.join(`${s},${s}`)}${s}]`),
    fc
      .tuple(
        space,
        fc.array(fc.tuple(fc.constantFrom("a", "b", "__proto__"), tie("value")), { maxLength: 3 }),
      )
      .map(([s, members]) => `{${s}${members.map(([name, member]) => `"${name}"${s}:${member}`).join(",")}}`),
  ),
})).value;
const long = fc.integer({ min: 0, max: 260 }).map((length) => `"${"x".repeat(length)}"`);
const member = fc.oneof(
  fc.constantFrom('"A"', '"B"', '""', "5").map((type) => `"type":${type}`),
  fc.oneof(value, long).map((data) => `"data":${data}`),
  value.map((metadata) => `"metadata":${metadata}`),
  fc.constantFrom('"time":"2020-01-01T00:00:00Z"', '"time":"never"', '"other":1', '"attributes":{"x":"y"}'),
);
const cloudMembers = fc.constantFrom(
  '"specversion":"1.0"',
  '"id":"1"',
  '"source":"/s"',
  '"subject":"s"',
  '"subject":"t"',
  '"x":"y"',
);
const object = (members: fc.Arbitrary<string>, first: string) =>
  fc
    .tuple(
      fc.constantFrom(first, ""),
      fc.uniqueArray(members, { maxLength: 4, selector: (text) => text.slice(0, 6) }),
      space,
    )
    .map(([begin, rest, s]) => `${s}{${[begin, ...rest].filter(Boolean).join(`,${s}`)}}${s}`);
const event = fc.oneof(
  { weight: 8, arbitrary: object(member, '"type":"A","data":[1, 2]') },
  { weight: 1, arbitrary: value },
  { weight: 1, arbitrary: fc.constantFrom("", " ", "{", "]", "1 2") },
);
const cloudEvent = object(
  fc.oneof(member, cloudMembers),
  '"specversion":"1.0", "id":"1","source":"/s","type":"A"',
);
const list = (element: fc.Arbitrary<string>) =>
  fc
    .tuple(fc.array(element, { maxLength: 8 }), space)
    .map(([elements, s]) => `[${s}${elements.join(",")}${s}]`);
const append = fc
  .tuple(
    list(event),
    fc.constantFrom("", ',"expectedVersion":3', ',"expectedVersion":"x"', ',"more":1', ',"events":[]'),
    space,
  )
  .map(([events, rest, s]) => `${s}{${s}"events"${s}:${s}${events}${rest}}${s}`);
const transaction = list(
  fc
    .tuple(list(event), fc.constantFrom('"stream":"a",', '"stream":"",', ""))
    .map(([events, stream]) => `{${stream}"events":${events}}`),
).map((appends) => `{"appends":${appends}}`);

const runs = { numRuns: 400 };

describe("a large body has the same events, or the same faults, as a small one", () => {
  const appends = (head: AppendHead, bodies: fc.Arbitrary<string>) => {
    fc.assert(
      fc.property(bodies, (body) => {
        const large = outcomeOf(() => readLargeAppend(head, body, "s", reading));
        const small = outcomeOf(() => readAppend(head, body, "s", reading));
        expectSame(large, small);
      }),
      runs,
    );
  };
  test("holds in Kilde's own JSON", () => appends({ format: "events", attributes: {} }, append));
  test("holds for a batch of CloudEvents", () =>
    appends({ format: "cloudevents", attributes: {} }, list(cloudEvent)));
  test("holds for one CloudEvent", () => appends({ format: "cloudevent", attributes: {} }, cloudEvent));
  test("holds in a transaction", () => {
    fc.assert(
      fc.property(transaction, fc.constantFrom(0, 40, 1_000), (body, most) => {
        const large = outcomeOf(() => readLargeTransaction(body, reading, most));
        expectSame(
          large,
          outcomeOf(() => readTransaction(body, reading)),
        );
      }),
      runs,
    );
  });
});

const usual = fc.constantFrom(
  '{"stream":"a","events":[{"type":"A","data":[1, 2.50]}]}',
  '{"stream":"a", "events":[{"type":"A"},{"type":5}]}',
);
const entries = list(
  fc.oneof(
    { weight: 4, arbitrary: usual },
    fc
      .tuple(
        list(event),
        fc.constantFrom('"stream":"a",', '"stream":"",', '"stream":"a","idempotencyKey":"k",', ""),
        fc.constantFrom("", "", ',"expectedVersion":3', ',"expectedVersion":"x"', ',"more":1'),
      )
      .map(([events, stream, rest]) => `{${stream}"events":${events}${rest}}`),
  ),
);

interface EntryOutcome {
  readonly code: string;
  readonly errors: readonly string[];
  readonly events: readonly unknown[];
}

/** The outcome of each entry, or of all of them together. */
function entryOutcomes(read: () => readonly IncomingPart[]): EntryOutcome | readonly EntryOutcome[] {
  const outcome = (fault: BodyFault): EntryOutcome => ({
    code: fault.code,
    errors: (fault.members.errors ?? []).map(({ pointer, detail }) => `${pointer} ${detail}`),
    events: [],
  });
  try {
    return read().map(({ fault, events }) =>
      fault === undefined ? { code: "", errors: [], events } : outcome(fault),
    );
  } catch (error) {
    if (error instanceof KildeError) return outcome(error);
    throw error;
  }
}

describe("the entries of a large body have the same events, or the same faults, as those of a small one", () => {
  test.each(["array", "lines"] as const)("holds for the format %s", (format) => {
    const seen = { whole: 0, read: 0, refused: 0 };
    const property = fc.property(entries, fc.constantFrom(0, 40, 1_000), (text, most) => {
      const body =
        format === "array"
          ? text
          : text.slice(1, -1).replaceAll("\n", " ").replaceAll('},{"stream', '}\n{"stream');
      const small = entryOutcomes(() => readEntries(body, format, reading));
      const large = entryOutcomes(() => readLargeEntries(body, format, reading, most));
      if ("code" in small || "code" in large) {
        // Both refuse the whole body, for any of its faults.
        expect([body, "code" in small, "code" in large]).toEqual([body, true, true]);
        seen.whole += 1;
        return;
      }
      expect(large.map(({ code, events }) => ({ code, events }))).toEqual(
        small.map(({ code, events }) => ({ code, events })),
      );
      // A small entry is checked in one way after the other, so it may list fewer.
      for (const [index, { code, errors }] of small.entries()) {
        seen[code === "" ? "read" : "refused"] += 1;
        if (code === "invalid-body")
          expect(large[index]?.errors).toEqual(expect.arrayContaining([...errors]));
      }
    });
    fc.assert(property, { numRuns: 1_500 });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });
});

describe("a server", () => {
  let server: OpenServer;
  let url: string;
  beforeAll(async () => {
    server = await openServer();
    ({ url } = server);
  });
  afterAll(() => server.close());

  const post = (body: string, path = "/streams/large") =>
    fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body });

  test("appends large bodies whole and in order, and answers others meanwhile", async () => {
    const body = (batch: number) =>
      JSON.stringify({
        events: Array.from({ length: 4_000 }, (_, n) => ({
          type: "T",
          data: { batch, n, text: "é".repeat(500) },
        })),
      });
    const large = [0, 1, 2].map((batch) => post(body(batch)));
    const small = Array.from({ length: 20 }, (_, n) =>
      post(`{"events":[{"type":"S","data":${n}}]}`, "/streams/small"),
    );
    for (const answer of await Promise.all([...large, ...small])) expect(answer.status).toBe(201);
    const events = await Array.fromAsync(
      createClient({ url }).read<{ batch: number; n: number }>({ stream: "large" }),
    );
    expect(events).toHaveLength(12_000);
    for (let batch = 0; batch < 3; batch += 1) {
      expect(events.filter(({ data }) => data.batch === batch).map(({ data }) => data.n)).toEqual(
        Array.from({ length: 4_000 }, (_, n) => n),
      );
    }
  }, 60_000);

  test("reports a fault of a large body with its place, and reads the next body nevertheless", async () => {
    const filler = Array.from({ length: 1_500 }, () => ({ type: "T", data: "x".repeat(1_000) }));
    const invalid = await post(JSON.stringify({ events: [...filler, { type: 5 }] }));
    expect(invalid.status).toBe(422);
    expect(await invalid.json()).toMatchObject({ errors: [{ pointer: "/events/1500/type" }], errorCount: 1 });
    const malformed = await post(`${JSON.stringify({ events: filler }).slice(0, -1)}]`);
    expect(malformed.status).toBe(400);
    const oversized = await post(`{"events":[{"type":"T","data":[${"0,".repeat(1_000_000)}0]}]}`);
    expect(await oversized.json()).toMatchObject({ status: 422, limit: "eventBytes" });
    expect((await post(JSON.stringify({ events: filler }))).status).toBe(201);
  }, 60_000);
});
