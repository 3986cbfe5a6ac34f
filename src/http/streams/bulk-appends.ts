import { KildeError } from "../../core/errors.ts";
import type { AppendReceipt } from "../../core/event.ts";
import type { AppendOutcome, Transaction } from "../../log/append/plan.ts";
import type { AppDeps } from "../deps.ts";
import { LOG_HEADER, statedIdentity } from "../log/log-identity.ts";
import { POSITION_HEADER } from "../log/position.ts";
import { requireAccessNow } from "../pipeline/access-end.ts";
import { noteDenial } from "../pipeline/denials.ts";
import { isFault, shownError } from "../pipeline/failures.ts";
import type { RequestContext } from "../pipeline/pipeline.ts";
import { partialProblem } from "../pipeline/problems.ts";
import { readBody } from "../wire/body.ts";
import { holdAnswer } from "../wire/held-answer.ts";
import { parseBody } from "../wire/parsing.ts";
import { IDEMPOTENCY_KEY, keyedRequest, refusalError, type RefusedAppend } from "./append.ts";
import { authorizeAppend } from "./append-access.ts";
import { bodyError } from "./body-fault.ts";
import { type EntriesFormat, entriesFormat } from "./entries.ts";
import type { IncomingPart } from "./new-events.ts";
import { tracedParts } from "./traced-events.ts";

const ENCODER = new TextEncoder();

/** Most bytes of an outcome besides the stream's name, which a problem has several times. */
const OUTCOME_BYTES = 1_024;
const NAMES_OF_OUTCOME = 12;

/** These headers state something about one append, and there are many. */
const HEADERS_OF_ONE = [IDEMPOTENCY_KEY, "If-Match", "If-None-Match"];

function refuseHeadersOfOne(headers: Headers): void {
  for (const parameter of HEADERS_OF_ONE) {
    if (!headers.has(parameter)) continue;
    const detail = "each append states it in the body";
    throw new KildeError("invalid-parameter", `${parameter}: ${detail}`, { errors: [{ parameter, detail }] });
  }
}

function appendedText({ subject, version, position, count }: AppendReceipt, replayed: boolean): string {
  const stream = JSON.stringify(subject);
  const tail = replayed ? ',"replayed":true}' : "}";
  return `{"status":201,"stream":${stream},"version":${version},"position":${position},"count":${count}${tail}`;
}

/** The log as the outcomes show it. */
interface Seen {
  identity: string | null;
  position: number;
}

/** Writes the outcomes of one request. */
function createOutcomes(context: RequestContext, deps: AppDeps) {
  const seen: Seen = { identity: null, position: 0 };
  let isReported = false;
  /** The entries state the same identity, so one lookup is enough. */
  let restored: Promise<KildeError> | null = null;

  const refused = (subject: string, error: unknown): string => {
    noteDenial(error, context, deps);
    const shown = shownError(error, context.requestId);
    // The entries of one commit fail together, with the same error.
    if (isFault(shown) && !isReported) {
      isReported = true;
      deps.onFault(error, context.requestId);
    }
    return partialProblem(`/streams/${encodeURIComponent(subject)}`, shown, deps.basePath);
  };

  const refusalText = async (subject: string, outcome: RefusedAppend): Promise<string> => {
    try {
      if (outcome.outcome !== "log-restored")
        return refused(subject, await refusalError(deps, outcome, "body"));
      restored ??= refusalError(deps, outcome, "body");
      return refused(subject, await restored);
    } catch (error) {
      return refused(subject, error);
    }
  };

  const outcomeText = (subject: string, outcome: AppendOutcome): string | Promise<string> => {
    seen.identity = outcome.log.identity;
    if (outcome.outcome !== "appended") return refusalText(subject, outcome);
    const [result] = outcome.results;
    if (result === undefined) throw new Error("an append of one part has no result");
    seen.position = Math.max(seen.position, result.position);
    return appendedText(result, outcome.replayed);
  };
  return { seen, refused, outcomeText };
}

type Outcomes = ReturnType<typeof createOutcomes>;

/** An entry that goes to the log, or the text of its refusal. */
type Prepared = { readonly subject: string; readonly transaction: Transaction } | string;

/** Refuses an entry that needs no look at the log: as for a single append, first for the grant, then for the content. */
function prepared(
  part: IncomingPart,
  identity: string | undefined,
  context: RequestContext,
  { refused }: Outcomes,
  deps: AppDeps,
): Prepared | Promise<Prepared> {
  const { subject, events, expectedVersion = "any", idempotencyKey, fault } = part;
  try {
    authorizeAppend(context, subject);
    if (fault !== undefined) return refused(subject, bodyError(fault));
  } catch (error) {
    return refused(subject, error);
  }
  const stated = [{ subject, events, expectedVersion, erases: false }];
  const parts = tracedParts(stated, part.trace ?? context.trace, deps.limits);
  if (idempotencyKey === undefined) return { subject, transaction: { parts, idempotency: null, identity } };
  const keyed = keyedRequest(idempotencyKey, context.principal, deps, stated);
  if (!(keyed instanceof Promise)) return { subject, transaction: { parts, idempotency: keyed, identity } };
  return keyed.then((idempotency) => ({ subject, transaction: { parts, idempotency, identity } }));
}

/** Waits only for the promises in a list: mostly there is none. */
async function settledOf<Value>(values: readonly (Value | Promise<Value>)[]): Promise<Value[]> {
  const settled: Value[] = [];
  for (const value of values) settled.push(value instanceof Promise ? await value : value);
  return settled;
}

/** Bounds the size of the answer before anything is appended. */
function answerBytes(entries: readonly Prepared[]): number {
  return entries.reduce((bytes, entry) => {
    if (typeof entry === "string") return bytes + ENCODER.encode(entry).byteLength;
    return bytes + OUTCOME_BYTES + NAMES_OF_OUTCOME * entry.subject.length;
  }, 0);
}

/** Gives all entries to the log in one turn, so that they share commits, in their order. */
async function appendAll(
  entries: readonly Prepared[],
  { outcomeText, refused }: Outcomes,
  { writer }: AppDeps,
): Promise<string[]> {
  const transactions = entries.flatMap((entry) => (typeof entry === "string" ? [] : [entry.transaction]));
  const settled = (await writer.appendAll(transactions)).values();
  return settledOf(
    entries.map((entry) => {
      if (typeof entry === "string") return entry;
      const { value: outcome } = settled.next();
      if (outcome === undefined) throw new Error("an append has no outcome");
      if (outcome.status === "rejected") return refused(entry.subject, outcome.reason);
      return outcomeText(entry.subject, outcome.value);
    }),
  );
}

function bodyOf(texts: readonly string[], format: EntriesFormat): Uint8Array<ArrayBuffer> {
  return ENCODER.encode(format === "array" ? `[${texts.join(",")}]` : `${texts.join("\n")}\n`);
}

function headersOf({ identity, position }: Seen, format: EntriesFormat): Record<string, string> {
  return {
    "Content-Type": format === "array" ? "application/json" : "application/x-ndjson",
    ...(identity === null ? {} : { [LOG_HEADER]: identity }),
    ...(position === 0 ? {} : { [POSITION_HEADER]: String(position) }),
  };
}

/** `POST /appends`: independent appends, each with its outcome. The sender needs a grant for each. */
export async function postAppends(
  request: Request,
  context: RequestContext,
  deps: AppDeps,
): Promise<Response> {
  const format = entriesFormat(request.headers);
  refuseHeadersOfOne(request.headers);
  const identity = statedIdentity(request.headers);
  const body = await readBody(request, deps.limits.bodyBytes, deps);
  const held = holdAnswer(deps, context.principal);
  try {
    await requireAccessNow(deps.access, context.principal);
    const incoming = await parseBody({ kind: "entries", format }, body.bytes, deps);
    const outcomes = createOutcomes(context, deps);
    const entries = await settledOf(
      incoming.map((part) => prepared(part, identity, context, outcomes, deps)),
    );
    held.admit(answerBytes(entries));
    const bytes = bodyOf(await appendAll(entries, outcomes, deps), format);
    const headers = headersOf(outcomes.seen, format);
    context.bytes = bytes.byteLength;
    return new Response(held.send([bytes], bytes.byteLength), { headers });
  } catch (error) {
    held.release();
    throw error;
  } finally {
    body.hold?.release();
  }
}
