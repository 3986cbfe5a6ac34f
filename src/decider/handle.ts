import type { Appended, Client, Metadata } from "../client/index.ts";
import { backoffMs, type Retry } from "../client/retry.ts";
import { type RequestDeps } from "../client/request.ts";
import { KildeError, type ProblemCode } from "../core/errors.ts";
import { decideEvents, type DomainEvent, evolveState, folded } from "./decider.ts";
import { catchUp, load, type LoadDeps, type Loaded, type Loading } from "./load.ts";

/** What commands are decided on and appended to: a client of a server, or a Kilde in this process. */
export type CommandStore = Pick<Client, "append" | "readPages" | "findAppend">;

export interface HandleOptions {
  /** Put on every event that is appended. */
  readonly metadata?: Metadata;
  /**
   * Names the command, so that it is done once however often it is handled, also by another process: a repeated one
   * gives the events of the first time. Refused commands leave it unused.
   */
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** What a command brought about. */
export interface Handled<Event, State> {
  /** The events that were appended, as they are read; none when nothing was to be done. */
  readonly events: readonly Event[];
  /** Version of the last of them; without events that of the stream. */
  readonly version: number;
  /** Position of the last of them in the log; null without events. */
  readonly position: number | null;
  /** The state after them. Of a command that had been done before: the present state. */
  readonly state: State;
}

export interface HandleDeps extends LoadDeps {
  readonly store: CommandStore;
  readonly retry: Retry;
  readonly sleep: RequestDeps["sleep"];
  readonly random: RequestDeps["random"];
}

/** A command on its way. */
export interface Task<Command, Event extends DomainEvent, State> extends Loading<Command, Event, State> {
  readonly command: Command;
  readonly options: HandleOptions;
  /** What memory has of the stream: what is decided on it is believed only when the log agrees. */
  readonly remembered: Loaded<State> | null;
  /** Told what is known of the stream; gives what is known then. */
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

/** What the command did when it was handled before; null when it was not. */
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

/** What was appended, and the identity of the log that has it; null: not known. */
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

/** Whether the stream, or the whole log, is another than what was decided on; the error of any other failure is thrown. */
function isConflict(error: unknown): error is KildeError {
  return error instanceof KildeError && CONFLICTS.has(error.code);
}

/**
 * Decides a command on the present state of its stream, and appends what it decides only if that is still the state;
 * otherwise looks at what came in between, and decides anew.
 */
export async function handleCommand<Command, Event extends DomainEvent, State>(
  deps: HandleDeps,
  task: Task<Command, Event, State>,
): Promise<Handled<Event, State>> {
  const { stream, decider, remembered, learn, signal } = task;
  let loaded = remembered ?? learn(await load(deps, task));
  // A state from memory may be outdated. Appends find that out; a command that appends nothing has to look.
  let isPresent = remembered === null;
  for (let conflicts = 0; ;) {
    signal?.throwIfAborted();
    const { events, refusal } = decide(task, loaded);
    if (events.length === 0) {
      const { version, logIdentity } = loaded;
      if (!isPresent) loaded = await catchUpOrLoad(deps, task, loaded);
      isPresent = true;
      // After a restore, the same version may be of other events.
      if (loaded.version !== version || loaded.logIdentity !== logIdentity) continue;
      const before = await handledBefore(deps, task, loaded);
      if (before !== null) return before;
      if (refusal !== null) throw refusal.error;
      return { events, version, position: null, state: loaded.state };
    }
    // Before they are appended: events that cannot be folded must not be in the log.
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
          `The stream ${JSON.stringify(stream)} was appended to by others during each of ${conflicts} attempts to handle the command`,
          { stream, ...(currentVersion === undefined ? {} : { currentVersion }) },
          { cause: error },
        );
      }
      // The first time it is likely over; many who try again at once would only meet again.
      if (conflicts > 1) await deps.sleep(backoffMs(deps, conflicts - 1, error), signal);
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
  // The stream is behind what was known of it, or the log holds another history: the server was restored.
  return task.learn(await load(deps, task, currentVersion));
}
