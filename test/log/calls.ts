import fc from "fast-check";

import { jsonPost, type Problem } from "../support/app.ts";
import type { Node } from "../support/store.ts";
import type { Call, CallPart, Expected, Model, Outcome, Result } from "./model.ts";

/** Names that need care in a URL, share prefixes, or sort otherwise by UTF-16 units than by code points. */
export const STREAMS = ["a", "a-1", "a/2?#%", "b é", "～", "😀"] as const;
export const TYPES = ["Opened", "Changed", "Closed"] as const;

/** An expectation relative to the version that the stream has, so that it may well be met. */
type Wanted = "any" | "exists" | "none" | number;

interface PlannedPart {
  readonly stream: string;
  readonly events: CallPart["events"];
  readonly wanted: Wanted;
}

type Planned =
  | { readonly kind: "append"; readonly part: PlannedPart; readonly stated: "body" | "header" }
  | { readonly kind: "transaction"; readonly parts: readonly PlannedPart[] }
  /** An earlier request with a key again. */
  | { readonly kind: "retry"; readonly which: number }
  | { readonly kind: "erase"; readonly stream: string; readonly reason: string; readonly off: number | null }
  | {
      readonly kind: "truncate";
      readonly stream: string;
      readonly share: number;
      readonly off: number | null;
    };

/** One step of a run: the call, and the server that receives it. */
export type Step = Planned & { readonly node: number; readonly key: string | null };

const streamName = fc.constantFrom(...STREAMS);
const event = fc.record({
  type: fc.constantFrom(...TYPES),
  data: fc.option(fc.jsonValue({ maxDepth: 2, stringUnit: "binary" }).map((value) => JSON.stringify(value))),
});
const wanted = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Wanted>("any") },
  { weight: 2, arbitrary: fc.constant<Wanted>("exists") },
  { weight: 2, arbitrary: fc.constant<Wanted>("none") },
  { weight: 4, arbitrary: fc.constant<Wanted>(0) },
  { weight: 1, arbitrary: fc.constantFrom<Wanted>(-1, 1) },
);
const part = fc.record({
  stream: streamName,
  events: fc.array(event, { minLength: 1, maxLength: 4 }),
  wanted,
});
const off = fc.option(fc.constantFrom(0, 0, 0, -1, 1));

const plan: fc.Arbitrary<Planned> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      part,
      stated: fc.constantFrom("body" as const, "header" as const),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("transaction" as const),
      parts: fc.array(part, { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("retry" as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("erase" as const),
      stream: streamName,
      reason: fc.constantFrom("asked", "expired"),
      off,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("truncate" as const),
      stream: streamName,
      share: fc.integer({ min: 0, max: 12 }).map((tenths) => tenths / 10),
      off,
    }),
  },
);

/** Few keys, so that they are used again; appends and transactions have keys of their own. */
const key = fc.option(fc.constantFrom("1", "2", "3", "4"), { freq: 1 });

export const step: fc.Arbitrary<Step> = fc
  .tuple(plan, fc.nat(3), key)
  .map(([what, node, number]) => ({ ...what, node, key: number && `${what.kind}-${number}` }));

/** The request of a step, given how far the log is; null when there is nothing to retry. */
export function callOf(planned: Step, model: Model, keyed: readonly Call[]): Call | null {
  const versions = new Map<string, number>();
  const partOf = ({ stream: name, events, wanted: wish }: PlannedPart): CallPart => {
    const version = versions.get(name) ?? model.versionOf(name);
    versions.set(name, version + events.length);
    const expected: Expected =
      wish === "none" ? 0 : typeof wish === "number" ? Math.max(0, version + wish) : wish;
    return { stream: name, events, expected };
  };
  const ifMatch = (name: string, offset: number | null) =>
    offset === null ? null : Math.max(0, model.versionOf(name) + offset);
  const { key: idempotencyKey } = planned;
  switch (planned.kind) {
    case "append":
      return {
        kind: "append",
        part: partOf(planned.part),
        stated: planned.stated,
        key: idempotencyKey,
      };
    case "transaction":
      return { kind: "transaction", parts: planned.parts.map(partOf), key: idempotencyKey };
    case "retry":
      return keyed.length === 0 ? null : (keyed[planned.which % keyed.length] ?? null);
    case "erase": {
      const { stream: name, reason, off: offset } = planned;
      return { kind: "erase", stream: name, reason, ifMatch: ifMatch(name, offset) };
    }
    case "truncate": {
      const { stream: name, share, off: offset } = planned;
      const before = Math.max(1, Math.round(share * model.versionOf(name)));
      return { kind: "truncate", stream: name, before, ifMatch: ifMatch(name, offset) };
    }
  }
}

export function pathOf(name: string): string {
  return `/streams/${encodeURIComponent(name)}`;
}

function eventsJson(events: CallPart["events"]): string {
  const texts = events.map(({ type, data }) => {
    const member = data === null ? "" : `,"data":${data}`;
    return `{"type":${JSON.stringify(type)}${member}}`;
  });
  return `[${texts.join(",")}]`;
}

function partJson({ events, expected }: CallPart, more = ""): string {
  return `{${more}"events":${eventsJson(events)},"expectedVersion":${JSON.stringify(expected)}}`;
}

function keyHeader(value: string | null): Record<string, string> {
  return value === null ? {} : { "Idempotency-Key": value };
}

function preconditionHeader(expected: Expected): Record<string, string> {
  if (expected === "any") return {};
  if (expected === "exists") return { "If-Match": "*" };
  return expected === 0 ? { "If-None-Match": "*" } : { "If-Match": `"${expected}"` };
}

function requestOf(call: Call): [path: string, init: RequestInit] {
  switch (call.kind) {
    case "append": {
      const { part: one, stated, key: value } = call;
      if (stated === "body") return [pathOf(one.stream), jsonPost(partJson(one), keyHeader(value))];
      const headers = { ...keyHeader(value), ...preconditionHeader(one.expected) };
      return [pathOf(one.stream), jsonPost(`{"events":${eventsJson(one.events)}}`, headers)];
    }
    case "transaction": {
      const appends = call.parts.map((one) => partJson(one, `"stream":${JSON.stringify(one.stream)},`));
      return ["/transactions", jsonPost(`{"appends":[${appends.join(",")}]}`, keyHeader(call.key))];
    }
    case "erase":
    case "truncate": {
      const query = call.kind === "erase" ? `reason=${call.reason}` : `before=${call.before}`;
      const headers: Record<string, string> =
        call.ifMatch === null ? {} : { "If-Match": `"${call.ifMatch}"` };
      return [`${pathOf(call.stream)}?${query}`, { method: "DELETE", headers }];
    }
  }
}

/** Sends a request, and gives the answer in the model's words. */
export async function send(node: Node, call: Call): Promise<Outcome> {
  const response = await node.fetch(...requestOf(call));
  if (!response.ok) {
    const { type, currentVersion = null } = (await response.json()) as Problem;
    return { kind: "refused", problem: type.replace("/problems/", ""), currentVersion };
  }
  const body: unknown = await response.json();
  const replayed = response.headers.get("idempotency-replayed") === "true";
  switch (call.kind) {
    case "append":
      return { kind: "appended", results: [body as Result], replayed };
    case "transaction":
      return { kind: "appended", results: (body as { results: Result[] }).results, replayed };
    case "erase":
      return { kind: "erased", ...(body as Omit<Outcome & { kind: "erased" }, "kind">) };
    case "truncate":
      return { kind: "truncated", ...(body as Omit<Outcome & { kind: "truncated" }, "kind">) };
  }
}
