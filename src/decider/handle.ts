import type { Appended, Client, Metadata } from "../client/index.ts";
import { requestRetryMs, type Retry } from "../client/retry.ts";
import { type RequestDeps } from "../client/request.ts";
import { KildeError, type ProblemCode } from "../core/errors.ts";
import { decideEvents, type DomainEvent, evolveState, folded } from "./decider.ts";
import { catchUp, load, type LoadDeps, type Loaded, type Loading } from "./load.ts";

/** The store that holds the streams: a client of a server, or a Kilde in this process. */
export type CommandStore = Pick<Client, "append" | "readPages" | "findAppend">;

export interface HandleOptions {
  /** Metadata of every appended event. */
  readonly metadata?: Metadata;
  /**
   * Identifies the command, so that it takes effect once however often it is handled, also by another process: a
   * repeated command returns the events of the first time. Rejected commands leave the key unused.
   */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** Result of a command. */
export interface Handled<Event, State> {
  /** The appended events, as they are read; empty when the command decided none. */
  readonly events: readonly Event[];
  /** Version of the last of them; without events, the version of the stream. */
  readonly version: number;
  /** Position of the last of them in the log; null without events. */
  readonly position: number | null;
  /** The state after them. For a repeated command, the current state. */
  readonly state: State;
}

export interface HandleDeps extends LoadDeps {
  readonly store: CommandStore;
  readonly retry: Retry;
  readonly sleep: RequestDeps["sleep"];
  readonly random: RequestDeps["random"];
}

/** A command in progress. */
export interface Task<Command, Event extends DomainEvent, State> extends Loading<Command, Event, State> {
  readonly command: Command;
  readonly options: HandleOptions;
  /** The cached state of the stream. An append verifies it. */
  readonly remembered: Loaded<State> | null;
  /** Caches a state of the stream; returns the latest cached state. */
  readonly learn: (loaded: Loaded<State>) => Loaded<State>;
}

type Decision<Event> =
  | { readonly events: readonly Event[]; readonly refusal: null }
  | { readonly events: readonly []; readonly refusal: { readonly error: unknown } };

function decide<Command, Event extends DomainEvent, State>(
  { decider, stream, command }: Task<Command, Event, State>,
  { state, erased, version }: Loaded<State>,
): Decision<Event> {
  try {
    if (erased && decider.erased !== "restart") {
      const detail = `The stream ${JSON.stringify(stream)} was erased; its tombstone has version ${version}`;
      throw new KildeError("stream-erased", detail, { stream, currentVersion: version });
    }
    return { events: decideEvents(decider, command, state), refusal: null };
  } catch (error) {
    return { events: [], refusal: { error } };
  }
}

async function catchUpOrLoad<Command, Event extends DomainEvent, State>(
  deps: HandleDeps,
  task: Task<Command, Event, State>,
  from: Loaded<State>,
  upTo?: number,
): Promise<Loaded<State>> {
  return task.learn((await catchUp(deps, task, from, upTo)) ?? (await load(deps, task)));
}

/** The result of the command if it was handled before; null otherwise. */
async function handledBefore<Command, Event extends DomainEvent, State>(
  deps: HandleDeps,
  task: Task<Command, Event, State>,
  from: Loaded<State>,
): Promise<Handled<Event, State> | null> {
  const { stream, signal, options } = task;
  if (options.idempotencyKey === undefined) return null;
  const results = await deps.store.findAppend(options.idempotencyKey);
  if (results === null) return null;
  const [result, ...others] = results;
  if (result?.stream !== stream || others.length > 0) {
    const detail = "The idempotency key belongs to an append that was not to this stream alone";
    throw new KildeError("idempotency-key-reused", detail, { stream });
  }
  const { version, count, position } = result;
  const present = from.version < version ? await catchUpOrLoad(deps, task, from) : from;
  const events: Event[] = [];
  const range = { stream, afterVersion: version - count, toVersion: version, limit: count };
  const pages = deps.store.readPages(signal === undefined ? range : { ...range, signal });
  for await (const page of pages) events.push(...page.map((event) => folded<Event>(event)));
  return { events, version, position, state: present.state };
}

/** The appended events, and the identity of the log; null: unknown. */
interface AppendedTo extends Appended {
  readonly logIdentity: string | null;
}

async function append<Command, Event extends DomainEvent, State>(
  { store }: HandleDeps,
  { stream, signal, options: { metadata, idempotencyKey } }: Task<Command, Event, State>,
  events: readonly Event[],
  { version: expectedVersion, logIdentity: decidedOn }: Loaded<State>,
): Promise<AppendedTo> {
  let logIdentity = decidedOn;
  const appended = await store.append(
    stream,
    metadata === undefined ? events : events.map((event) => ({ ...event, metadata })),
    {
      expectedVersion,
      onLog(identity) {
        logIdentity = identity;
      },
      ...(decidedOn === null ? {} : { logIdentity: decidedOn }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
      ...(signal === undefined ? {} : { signal }),
    },
  );
  return { ...appended, logIdentity };
}

const CONFLICTS: ReadonlySet<ProblemCode> = new Set(["version-conflict", "stream-erased", "log-restored"]);

/**
 * Whether the stream or the log differs from the one that the decision is based on. Throws the error of any other
 * failure.
 */
function isConflict(error: unknown): error is KildeError {
  return error instanceof KildeError && CONFLICTS.has(error.code);
}

/**
 * Decides a command on the current state of its stream, and appends the events only if the state is still current;
 * otherwise reads the events in between, and decides again.
 */
export async function handleCommand<Command, Event extends DomainEvent, State>(
  deps: HandleDeps,
  task: Task<Command, Event, State>,
): Promise<Handled<Event, State>> {
  const { stream, decider, remembered, learn, signal } = task;
  let loaded = remembered ?? learn(await load(deps, task));
  // A cached state may be outdated. An append detects that; a command that appends nothing must read.
  let isPresent = remembered === null;
  for (let conflicts = 0; ;) {
    signal?.throwIfAborted();
    const { events, refusal } = decide(task, loaded);
    if (events.length === 0) {
      const { version, logIdentity } = loaded;
      if (!isPresent) loaded = await catchUpOrLoad(deps, task, loaded);
      isPresent = true;
      // After a restore, the same version may hold other events.
      if (loaded.version !== version || loaded.logIdentity !== logIdentity) continue;
      const before = await handledBefore(deps, task, loaded);
      if (before !== null) return before;
      if (refusal !== null) throw refusal.error;
      return { events, version, position: null, state: loaded.state };
    }
    // Before the append: events that cannot be folded must not reach the log.
    let { state } = loaded;
    for (const event of events) state = evolveState(decider, state, event);
    try {
      const { version, position, logIdentity } = await append(deps, task, events, loaded);
      learn({ ...loaded, version, state, erased: false, logIdentity });
      return { events, version, position, state };
    } catch (error) {
      if (error instanceof KildeError && error.code === "idempotency-key-reused") {
        const before = await handledBefore(deps, task, loaded);
        if (before !== null) return before;
      }
      if (!isConflict(error)) throw error;
      conflicts += 1;
      const { currentVersion } = error.members;
      if (conflicts >= deps.retry.attempts) {
        throw new KildeError(
          "version-conflict",
          `Other writers appended to the stream ${JSON.stringify(stream)} during each of ${conflicts} attempts to handle the command`,
          { stream, ...(currentVersion === undefined ? {} : { currentVersion }) },
          { cause: error },
        );
      }
      // After the first conflict, the other writer is likely done. Many writers that retry at once would only
      // conflict again.
      if (conflicts > 1) await deps.sleep(requestRetryMs(deps, conflicts - 1, error), signal);
      loaded = await afterConflict(deps, task, loaded, currentVersion);
      isPresent = true;
    }
  }
}

async function afterConflict<Command, Event extends DomainEvent, State>(
  deps: HandleDeps,
  task: Task<Command, Event, State>,
  loaded: Loaded<State>,
  currentVersion: number | undefined,
): Promise<Loaded<State>> {
  if (currentVersion !== undefined && currentVersion > loaded.version) {
    return catchUpOrLoad(deps, task, loaded, currentVersion);
  }
  // The stream is behind the cached state, or the log holds another history: the server was restored.
  return task.learn(await load(deps, task, currentVersion));
}
