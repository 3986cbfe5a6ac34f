import { type OptionNames, refuseUnknownOptions } from "../core/known-options.ts";
import type { Retry } from "../client/index.ts";
import { MAX_RETRY_AFTER_MS } from "../client/retry.ts";
import { sleepFor } from "../client/sleep.ts";
import type { Decider, DomainEvent } from "./decider.ts";
import {
  type CommandStore,
  type Handled,
  type HandleDeps,
  handleCommand,
  type HandleOptions,
} from "./handle.ts";
import type { Loaded } from "./load.ts";
import { remember } from "./memory.ts";
import type { SnapshotKey, SnapshotStore } from "./snapshot.ts";
import { createSnapshotKeeper } from "./snapshot-keeper.ts";
import { createKeyedQueue } from "./keyed-queue.ts";

export { KildeError, type ProblemCode } from "../core/errors.ts";
export type { Decider, DomainEvent } from "./decider.ts";
export type { CommandStore, Handled, HandleOptions } from "./handle.ts";
export type { Snapshot, SnapshotKey, SnapshotPolicy, SnapshotStore } from "./snapshot.ts";
export { snapshotStream } from "../core/snapshot-streams.ts";
export { type SnapshotStreams, streamSnapshots } from "./stream-snapshots.ts";

export interface CommandHandlerOptions {
  /** A client of a server (`kilde/client`), or a Kilde in this process (`kilde/embed`). */
  readonly store: CommandStore;
  /** The store of snapshots, for deciders with a `snapshot` policy: `streamSnapshots(store)`. Default: none. */
  readonly snapshots?: SnapshotStore;
  /** Called when a snapshot could not be stored, which fails no command. Default: writes to the console. */
  readonly onSnapshotError?: (error: unknown, key: SnapshotKey) => void;
  /** Number of streams whose state is cached in memory; 0: none. Default: 1,000. */
  readonly rememberedStreams?: number;
  /**
   * Retries of a command when others append to its stream meanwhile. Default: 10 attempts, the second at once, then
   * after 10 ms, doubling up to 1,000 ms.
   */
  readonly retry?: Partial<Retry>;
  /** Default: the timers and the random numbers of the runtime. */
  readonly sleep?: HandleDeps["sleep"];
  readonly random?: HandleDeps["random"];
}

/** Handles commands. */
export interface CommandHandler {
  /**
   * Loads the stream, decides the command on its state, and appends the events with the version of that state, so
   * that no other event comes in between. Commands to one stream are handled one after the other in this process;
   * when another process appends first, the command is decided again. Throws the error of `decide`; a KildeError
   * `version-conflict` when others appended first in each attempt; `stream-erased`; `stream-truncated` when the
   * remaining events of the stream do not give its state.
   */
  readonly handle: <Command, Event extends DomainEvent, State>(
    stream: string,
    decider: Decider<Command, Event, State>,
    command: Command,
    options?: HandleOptions,
  ) => Promise<Handled<Event, State>>;
  /** Waits for the snapshots in progress: call it before the store is closed, or the process ends. */
  readonly settle: () => Promise<void>;
}

const RETRY: Retry = { attempts: 10, delayMs: 10, maxDelayMs: 1_000, maxRetryAfterMs: MAX_RETRY_AFTER_MS };

/** Deciders are identified by object, and not by a name that two might share. */
function numbered(): (decider: object) => number {
  const numbers = new WeakMap<object, number>();
  let last = 0;
  return (decider) => {
    const known = numbers.get(decider);
    if (known !== undefined) return known;
    last += 1;
    numbers.set(decider, last);
    return last;
  };
}

const OPTIONS: OptionNames<CommandHandlerOptions> = {
  store: true,
  snapshots: true,
  onSnapshotError: true,
  rememberedStreams: true,
  retry: true,
  sleep: true,
  random: true,
};

const HANDLE_OPTIONS: OptionNames<HandleOptions> = { metadata: true, idempotencyKey: true, signal: true };

/**
 * Creates a command handler. One per store is enough for all of its deciders; it holds the cached states.
 *
 * @example
 * ```ts
 * import { createClient } from "kilde/client";
 * import { createCommandHandler, type Decider } from "kilde/decider";
 *
 * type Command = { type: "Deposit"; cents: number };
 * type Event = { type: "Deposited"; data: { cents: number } };
 *
 * const account: Decider<Command, Event, number> = {
 *   initial: 0,
 *   decide: ({ cents }) => ({ type: "Deposited", data: { cents } }),
 *   evolve: (balance, { data }) => balance + data.cents,
 * };
 * const { handle } = createCommandHandler({ store: createClient({ url: "http://127.0.0.1:4000" }) });
 * const { state } = await handle("account-81", account, { type: "Deposit", cents: 500 });
 * ```
 */
export function createCommandHandler(options: CommandHandlerOptions): CommandHandler {
  refuseUnknownOptions("createCommandHandler", options, OPTIONS);
  refuseUnknownOptions("createCommandHandler, retry", options.retry ?? {}, RETRY);
  const {
    store,
    snapshots = null,
    rememberedStreams = 1_000,
    sleep = sleepFor,
    random = Math.random,
  } = options;
  const { onSnapshotError = (error, key) => console.error("A snapshot could not be stored", key, error) } =
    options;
  const keeper = createSnapshotKeeper(snapshots, onSnapshotError);
  const retry = { ...RETRY, ...options.retry };
  const deps: HandleDeps = { store, snapshots: keeper.store, retry, sleep, random };
  const numberOf = numbered();
  // Each key belongs to one decider, so the cached states have its type.
  const memory = remember<Loaded<unknown>>(rememberedStreams);
  const queue = createKeyedQueue();

  return {
    handle<Command, Event extends DomainEvent, State>(
      stream: string,
      decider: Decider<Command, Event, State>,
      command: Command,
      handling: HandleOptions = {},
    ): Promise<Handled<Event, State>> {
      refuseUnknownOptions("handle", handling, HANDLE_OPTIONS);
      const { signal } = handling;
      const key = `${numberOf(decider)} ${stream}`;
      return queue.run(stream, async () => {
        signal?.throwIfAborted();
        const learn = (loaded: Loaded<State>) => {
          const known = keeper.keep(decider, stream, loaded);
          memory.set(key, known);
          return known;
        };
        const remembered = (memory.get(key) as Loaded<State> | undefined) ?? null;
        return handleCommand(deps, {
          stream,
          decider,
          command,
          options: handling,
          signal,
          remembered,
          learn,
        });
      });
    },
    settle: () => keeper.settle(),
  };
}
