import { EgressFailure } from "./outgoing.ts";

/** The part of an answer that matters. */
export interface AnswerHead {
  readonly status: number;
  /** Several headers of one name are joined by commas. */
  readonly header: (name: string) => string | null;
}

/** Where the body of an answer ends (RFC 9112 §6.3). */
type BodyEnd =
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "last-chunk" }
  | { readonly kind: "end-of-connection" };

interface ParsedHead extends AnswerHead {
  readonly bodyEnd: BodyEnd;
  /** Whether another request may follow on the connection. */
  readonly keepsConnection: boolean;
}

/** Reads the answers on a connection, one after the other. */
export interface AnswerReader {
  /** Begins the next answer. */
  begin(): void;
  /** Takes received bytes, as text of a character for each. Throws an EgressFailure `protocol`. */
  take(text: string): void;
  /** The final answer; null while it is incomplete. */
  head(): AnswerHead | null;
  /** Whether the answer has ended, with its body. */
  hasEnded(): boolean;
  /** Received characters of the body, with the lines between its chunks. */
  bodyCharacters(): number;
  /** Whether the connection is in a state in which another request may follow. */
  isReusable(): boolean;
}

/** Most characters of the heads of one answer: of the final one, and of the informational ones before it. */
const MOST_HEAD = 16 * 1024;
/** Most characters of a line between chunks: a size with its extensions, or a trailer. */
const MOST_CHUNK_LINE = 1_024;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: |$)/;
const BEGINNING = "HTTP/1.";
const HEAD_END = /\r?\n\r?\n/;
const CHUNK_END = "\r\n";
const CHUNK_SIZE = /^([0-9A-Fa-f]{1,13})[ \t]*(?:;|$)/;

const malformed = () => new EgressFailure("protocol", { mayHaveArrived: true });

function headersOf(lines: readonly string[]): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function lengthOf(text: string): number {
  // A list of equal lengths is one length.
  const lengths = new Set(text.split(",").map((part) => part.trim()));
  const [length = ""] = lengths;
  if (lengths.size !== 1 || !/^\d{1,15}$/.test(length)) throw malformed();
  return Number(length);
}

function bodyEndOf(status: number, headers: ReadonlyMap<string, string>): BodyEnd {
  if (status === 204 || status === 304) return { kind: "length", length: 0 };
  const coding = headers.get("transfer-encoding");
  if (coding !== undefined)
    return { kind: /(^|,)\s*chunked$/i.test(coding) ? "last-chunk" : "end-of-connection" };
  const length = headers.get("content-length");
  return length === undefined ? { kind: "end-of-connection" } : { kind: "length", length: lengthOf(length) };
}

function parseHead(text: string): ParsedHead {
  const [first = "", ...lines] = text.split(/\r?\n/);
  const [, minor, digits] = STATUS_LINE.exec(first) ?? [];
  if (digits === undefined) throw malformed();
  const status = Number(digits);
  const headers = headersOf(lines);
  const bodyEnd = bodyEndOf(status, headers);
  const connection = headers.get("connection")?.toLowerCase() ?? "";
  // Two statements of the end may be an attempt to smuggle an answer.
  const isAmbiguous = headers.has("transfer-encoding") && headers.has("content-length");
  const isKept = minor === "1" ? !connection.includes("close") : connection.includes("keep-alive");
  return {
    status,
    header: (name) => headers.get(name.toLowerCase()) ?? null,
    bodyEnd,
    keepsConnection: isKept && !isAmbiguous && bodyEnd.kind !== "end-of-connection",
  };
}

interface ReaderState {
  /** Received text that is not understood yet. */
  rest: string;
  headCharacters: number;
  bodyCharacters: number;
  head: ParsedHead | null;
  /** Characters of the body, or of the chunk with its line end, that are still to come. */
  left: number;
  /** The lines that follow the current chunk. */
  chunkPart: "size" | "trailers";
  hasEnded: boolean;
  /** The text of the last final head, and its meaning: the answers of an endpoint usually begin alike. */
  known: { readonly text: string; readonly head: ParsedHead } | null;
}

/** Takes the next head, if it is complete; informational ones are skipped. */
function takeHead(state: ReaderState): void {
  while (state.head === null) {
    const { rest } = state;
    const crlf = rest.indexOf("\r\n\r\n");
    const end = crlf === -1 ? (HEAD_END.exec(rest)?.index ?? -1) : crlf;
    if (state.headCharacters + (end === -1 ? rest.length : end) > MOST_HEAD) throw malformed();
    if (rest.includes("\n") && !rest.startsWith(BEGINNING)) throw malformed();
    if (end === -1) return;
    const text = rest.slice(0, end);
    state.headCharacters += end;
    state.rest = rest.slice(end + (crlf === end ? 4 : (HEAD_END.exec(rest)?.[0].length ?? 0)));
    const head = state.known?.text === text ? state.known.head : parseHead(text);
    // No request asks for another protocol.
    if (head.status === 101) throw malformed();
    if (head.status < 200) continue;
    state.known = { text, head };
    state.head = head;
    state.left = head.bodyEnd.kind === "length" ? head.bodyEnd.length : 0;
  }
}

/** Drops the characters of the body that arrived, up to those that are still to come. */
function dropBody(state: ReaderState): void {
  const taken = Math.min(state.left, state.rest.length);
  state.left -= taken;
  state.rest = state.rest.slice(taken);
}

/** Takes a line between chunks; null: it is incomplete. */
function takeLine(state: ReaderState): string | null {
  const end = state.rest.indexOf("\n");
  if ((end === -1 ? state.rest.length : end) > MOST_CHUNK_LINE) throw malformed();
  if (end === -1) return null;
  const line = state.rest.slice(0, end).replace(/\r$/, "");
  state.rest = state.rest.slice(end + 1);
  return line;
}

function takeChunks(state: ReaderState): void {
  while (!state.hasEnded) {
    dropBody(state);
    const line = state.left > 0 ? null : takeLine(state);
    if (line === null) return;
    if (state.chunkPart === "trailers") {
      state.hasEnded = line === "";
      continue;
    }
    const [, digits] = CHUNK_SIZE.exec(line) ?? [];
    if (digits === undefined) throw malformed();
    const size = Number.parseInt(digits, 16);
    if (size === 0) state.chunkPart = "trailers";
    else state.left = size + CHUNK_END.length;
  }
}

function takeBody(state: ReaderState, { bodyEnd }: ParsedHead): void {
  if (bodyEnd.kind === "last-chunk") takeChunks(state);
  else if (bodyEnd.kind === "length") {
    dropBody(state);
    state.hasEnded = state.left === 0;
  } else state.rest = "";
}

const BEFORE_ANSWER = {
  rest: "",
  headCharacters: 0,
  bodyCharacters: 0,
  head: null,
  left: 0,
  chunkPart: "size",
  hasEnded: false,
} as const;

/** Creates a reader that keeps of an answer its head alone, and drops its body as it arrives. */
export function createAnswerReader(): AnswerReader {
  const state: ReaderState = { ...BEFORE_ANSWER, known: null };
  return {
    begin: () => void Object.assign(state, BEFORE_ANSWER),
    take(text) {
      const carried = state.head === null ? 0 : state.rest.length;
      state.rest += text;
      takeHead(state);
      if (state.head === null || state.hasEnded) return;
      state.bodyCharacters += state.rest.length - carried;
      takeBody(state, state.head);
    },
    head: () => state.head,
    hasEnded: () => state.hasEnded,
    bodyCharacters: () => state.bodyCharacters,
    // More than was asked for answers nothing.
    isReusable: () => state.hasEnded && state.head?.keepsConnection === true && state.rest === "",
  };
}
