import type { Clock } from "../../core/clock.ts";
import type { Database, Row, Statement } from "../../storage/database.ts";
import type { Feed } from "../feed.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { SourceState } from "./source-state.ts";

/** Answers that are kept for the other feeds, and how long, in milliseconds: feeds that are built together drift apart. */
const KEPT_ANSWERS = 16;
const KEPT_MS = 1_000;

/** Characters of an answer that is kept, at most. */
const KEPT_CHARACTERS = 1_000_000;

/**
 * The reads of one source by the feeds that are projected from it in one thread. Feeds that read the same events at about
 * the same time share the answer of the database, which is text: each feed parses it, so no handler can change the events
 * of another feed. Everything here may be forgotten at any time.
 */
export interface SourceReads {
  /** The types and prefixes that any of the feeds reads. */
  readonly filter: Feed["source"];
  /**
   * How a feed reads the state of the source: once for all feeds that ask in the same turn. A feed that asks twice gets a new
   * answer, or it could look at the same state forever without an end of the turn.
   */
  stateReadBy(feed: RegisteredFeed): Database["read"];
  /** A database whose reads of events are shared. Answers that are older than `state` are discarded if it shows an erasure. */
  eventsAsOf(state: SourceState): Pick<Database, "read">;
  /** Forgets all answers: a plan that was made of them was refused. */
  forget(): void;
  /** Forgets all answers, and keeps no more: the timer that ends their time would keep the process alive. */
  close(): void;
}

interface Answer {
  readonly rows: ReturnType<Database["read"]>;
  /** Feeds that may still ask for it. */
  awaited: number;
}

function filterOf(feeds: readonly RegisteredFeed[]): Feed["source"] {
  const sources = feeds.map(({ feed }) => feed.source);
  const [first] = sources;
  if (first === undefined) throw new Error("a source is read by a feed");
  const isWhole = sources.some(({ prefixes }) => prefixes.length === 0);
  return {
    ...first,
    types: [...new Set(sources.flatMap(({ types }) => types))].toSorted(),
    prefixes: isWhole ? [] : [...new Set(sources.flatMap(({ prefixes }) => prefixes))].toSorted(),
  };
}

function charactersOf(rows: readonly Row[]): number {
  let characters = 0;
  for (const row of rows) for (const value of row) if (typeof value === "string") characters += value.length;
  return characters;
}

/** The kept answers to statements, each until every other feed has asked for it. */
function createAnswers(clock: Clock, others: number) {
  const answers = new Map<string, Answer>();
  const closing = new AbortController();
  let isExpiring = false;
  const expire = async () => {
    isExpiring = true;
    await clock.sleep(KEPT_MS, closing.signal);
    isExpiring = false;
    answers.clear();
  };
  const keep = (key: string, rows: Answer["rows"]) => {
    const answer = { rows, awaited: others };
    answers.set(key, answer);
    const [oldest] = answers.keys();
    if (answers.size > KEPT_ANSWERS && oldest !== undefined) answers.delete(oldest);
    const drop = () => {
      if (answers.get(key) === answer) answers.delete(key);
    };
    void rows.then((found) => {
      if (charactersOf(found) > KEPT_CHARACTERS) drop();
    }, drop);
    if (!isExpiring) void expire();
  };
  return {
    read(database: Database, statement: Statement): Answer["rows"] {
      const key = JSON.stringify([statement.args, statement.sql]);
      const known = answers.get(key);
      if (known === undefined) {
        const rows = database.read(statement);
        keep(key, rows);
        return rows;
      }
      known.awaited -= 1;
      if (known.awaited === 0) answers.delete(key);
      return known.rows;
    },
    clear: () => answers.clear(),
    close: () => closing.abort(),
  };
}

/** Shares the reads of the feeds of one source. One feed reads as if there were nothing to share. */
export function createSourceReads(
  database: Database,
  clock: Clock,
  feeds: readonly RegisteredFeed[],
): SourceReads {
  const filter = filterOf(feeds);
  if (feeds.length < 2)
    return {
      filter,
      stateReadBy: () => (statement) => database.read(statement),
      eventsAsOf: () => database,
      forget: () => {},
      close: () => {},
    };
  const answers = createAnswers(clock, feeds.length - 1);
  let state: { readonly rows: Answer["rows"]; readonly readBy: Set<RegisteredFeed> } | null = null;
  const readFresh = (statement: Statement) => {
    const fresh = { rows: database.read(statement), readBy: new Set<RegisteredFeed>() };
    state = fresh;
    const forget = () => {
      if (state === fresh) state = null;
    };
    void clock.yield().then(forget);
    return fresh;
  };
  let last = "";
  return {
    filter,
    stateReadBy: (feed) => (statement) => {
      const known = state === null || state.readBy.has(feed) ? readFresh(statement) : state;
      known.readBy.add(feed);
      return known.rows;
    },
    eventsAsOf({ identity, lastErased }) {
      const now = `${identity} ${lastErased}`;
      if (now !== last) answers.clear();
      last = now;
      return { read: (statement) => answers.read(database, statement) };
    },
    forget: () => answers.clear(),
    close: () => answers.close(),
  };
}
