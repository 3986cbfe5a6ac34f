import type { Principal } from "../../access/principal.ts";

/** A longer name of a consumer is not logged. */
const MOST_CHARACTERS = 1_024;

/** One line of the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  /** Below the path that the store is served under. */
  readonly path: string;
  /** Path of the route that answered, with `{name}` for a parameter; absent: none did. */
  readonly route?: string;
  readonly status: number;
  /** Name of the sender; absent: it has none. */
  readonly principal?: string;
  /** Consumer that a reader names, or that its key is bound to; absent: none. */
  readonly consumer?: string;
  /** Bytes of the body of the request; absent: it has none, or does not state them. */
  readonly requestBytes?: number;
  /** Bytes of the body of the answer before any compression. */
  readonly bytes: number;
  /** Milliseconds that an event stream was open; absent: the answer is none. */
  readonly streamMs?: number;
  /** Id of the trace that the request belongs to; absent: it belongs to none. */
  readonly traceId?: string;
  /** Milliseconds until the answer began. */
  readonly durationMs: number;
}

/** Called with every request once its answer begins, or its event stream has ended; null: there is no access log. */
export type OnAccess = ((entry: AccessEntry) => void) | null;

/** Returns the header with the name of the reader, percent-decoded. Others than readers need not be asked for it. */
function statedConsumer({ method, headers }: Request): string | null {
  const stated = method === "GET" || method === "PUT" ? headers.get("kilde-consumer") : null;
  if (stated === null || stated.length > MOST_CHARACTERS) return null;
  try {
    return decodeURIComponent(stated);
  } catch {
    return stated;
  }
}

/** The members of an entry that the request itself does not have. */
export interface AccessFacts {
  readonly requestId: string;
  readonly path: string;
  /** Null: no route answered. */
  readonly route: string | null;
  readonly status: number;
  readonly principal: Principal;
  readonly bytes: number;
  readonly traceId: string | null;
  readonly durationMs: number;
}

/** Creates the entry of a request. Members are set one by one: spreading each would cost more than the line itself. */
export function accessEntry(request: Request, facts: AccessFacts): AccessEntry {
  const { method, headers } = request;
  const { requestId, path, route, status, principal, bytes, traceId, durationMs } = facts;
  const entry: { -readonly [Member in keyof AccessEntry]: AccessEntry[Member] } = {
    requestId,
    method,
    path,
    status,
    durationMs,
    bytes,
  };
  if (route !== null) entry.route = route;
  if (principal.name !== null) entry.principal = principal.name;
  const consumer = statedConsumer(request) ?? principal.consumer;
  if (consumer !== null) entry.consumer = consumer;
  const stated = method === "GET" ? null : headers.get("content-length");
  if (stated !== null && Number.isSafeInteger(Number(stated))) entry.requestBytes = Number(stated);
  if (traceId !== null) entry.traceId = traceId;
  return entry;
}
